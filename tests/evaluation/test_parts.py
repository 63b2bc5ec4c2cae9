"""Evaluations in parts: one record, equal to that of one process, whoever was last, died or was damaged.

Tests parts and plan of genkit.evaluation.
"""

from __future__ import annotations

import dataclasses
import errno
import shutil

import numpy as np
import pytest
from PIL import Image

from genkit.errors import DataError, UsageError
from genkit.evaluation import parts as parts_module
from genkit.evaluation.compare import compare
from genkit.evaluation.evaluate import evaluate
from genkit.evaluation.parts import OthersMissing
from genkit.evaluation.plan import differences
from genkit.results import store
from genkit.training.api import train

ASKED = {"count": 600, "metrics": "fid,kid,is,recall,mse,elbo"}


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    """A finished run, and its evaluation by one process."""
    run = train("ppca", digits, root=tmp_path_factory.mktemp("runs"))
    return run, evaluate(run, **ASKED)


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    """A copy of the run without records, on a machine without cached features."""
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / trained[0].path.name
    shutil.copytree(trained[0].path, path, ignore=shutil.ignore_patterns("records", "exhibits"))
    return dataclasses.replace(trained[0], path=path)


@pytest.fixture
def whole(trained):
    return trained[1]


def scores(record):
    """All that is measured, without the seconds that it took."""
    return [dataclasses.astuple(dataclasses.replace(score, seconds=0)) for score in record.scores]


def left(run, number, **asked):
    """Do a part that is not the last; return which others are missing."""
    with pytest.raises(OthersMissing) as caught:
        evaluate(run, part=number, **{**ASKED, **asked})
    return caught.value.missing


def records(run):
    return sorted(path.name for path in (run.path / "records").glob("*"))


def check_equal(done, run, whole):
    assert scores(done.record) == scores(whole.record)
    assert done.record.absent == whole.record.absent
    assert done.record.protocol == whole.record.protocol
    assert [done.path.name] == records(run)
    shown = [store.exhibits(each.path.parent.parent, each.record.id) for each in (done, whole)]
    assert shown[0].keys() == shown[1].keys()
    assert shown[0]["memorised.json"] == shown[1]["memorised.json"]
    assert not list(run.path.glob("parts/*/part-*"))


@pytest.mark.parametrize("order", [(1,), (2, 1), (2, 3, 1), (5, 1, 4, 2, 3)])
def test_any_number_of_parts_in_any_order_on_machines_of_their_own_give_the_one_record(
    run, whole, order, tmp_path, monkeypatch
):
    *others, last = order
    waited = set(order)
    for number in others:
        monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / f"machine {number}"))
        waited.remove(number)
        assert left(run, f"{number}/{len(order)}") == sorted(waited)
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / f"machine {last}"))
    check_equal(evaluate(run, part=f"{last}/{len(order)}", **ASKED), run, whole)


def test_a_part_that_died_is_redone_alone(run, whole, monkeypatch):
    monkeypatch.setattr("genkit.features.spool.SYNC_SECONDS", -1.0)
    left(run, "1/3")
    written = {path: path.stat().st_mtime_ns for path in run.path.glob("parts/*/part-1/**/*.npy")}

    def die(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(run, part="2/3", progress=die, **ASKED)
    assert left(run, "3/3") == [2]
    assert {path: path.stat().st_mtime_ns for path in written} == written
    check_equal(evaluate(run, part="2/3", **ASKED), run, whole)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"part": "2/3"}, "parts 2 / 3"),
        ({"seed": 1}, "seed 0 / 1"),
        ({"count": 601}, "samples.count 600 / 601"),
        ({"metrics": "fid"}, "metrics fid, kid, is, recall, mse, elbo / fid"),
        ({"chunk": 100}, "samples.chunk 250 / 100"),
    ],
)
def test_a_part_of_another_evaluation_is_refused_in_one_sentence(run, changed, told):
    left(run, "1/2")
    with pytest.raises(UsageError) as caught:
        evaluate(run, **{**ASKED, "part": "2/2", **changed})
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"{run.path}/parts/")
    assert str(caught.value).endswith("or name another folder by --spool")
    assert records(run) == []


def test_another_model_in_the_same_spool_is_refused_and_has_one_of_its_own(run, digits, tmp_path):
    other = train("ppca", digits, options={"latent": 3}, root=tmp_path / "others")
    spool = tmp_path / "spool"
    left(run, "1/2", spool=spool)
    with pytest.raises(UsageError, match=r"samples\.(options|weights)"):
        evaluate(other, part="2/2", spool=spool, **ASKED)
    left(other, "1/2")
    assert not (run.path / "parts").exists()
    assert evaluate(run, part="2/2", spool=spool, **ASKED).path.parent == run.path / "records"


def test_other_weights_are_not_told_by_their_hashes():
    there, here = ({"seed": 0, "samples.weights": letter * 64} for letter in "ab")
    assert differences(there, here) == "the model's weights: of another run or checkpoint, or raw instead of averaged"


def test_two_that_score_at_once_give_one_record_also_without_locks(run, whole, monkeypatch):
    monkeypatch.setattr(parts_module, "_acquired", lambda lock: True)
    left(run, "1/2")
    claim = parts_module.PartsFolder.claim
    found = []

    def second_is_faster(self, measured):
        if not found:
            found.append(None)
            found[0] = evaluate(run, part="1/2", **ASKED)
        return claim(self, measured)

    monkeypatch.setattr(parts_module.PartsFolder, "claim", second_is_faster)
    done = evaluate(run, part="2/2", **ASKED)
    assert (done.path, done.record) == (found[0].path, found[0].record)
    check_equal(done, run, whole)


def test_a_file_system_without_locks_changes_nothing(run, whole, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("genkit.files.locks.take", refuse)
    left(run, "1/2")
    check_equal(evaluate(run, part="2/2", **ASKED), run, whole)


def test_while_one_scores_another_leaves_it_to_it(run, monkeypatch):
    left(run, "1/2")
    claim = parts_module.PartsFolder.claim
    told = []

    def look(self, measured):
        with pytest.raises(OthersMissing, match="^part 1/2 is done; another process scores them all$") as caught:
            evaluate(run, part="1/2", **ASKED)
        told.append(caught.value.missing)
        return claim(self, measured)

    monkeypatch.setattr(parts_module.PartsFolder, "claim", look)
    evaluate(run, part="2/2", **ASKED)
    assert told == [[]]
    assert len(records(run)) == 1


def test_a_record_that_was_made_and_not_yet_stored_is_stored_by_whichever_part_is_redone(run, whole, monkeypatch):
    left(run, "1/2")
    with monkeypatch.context() as patched:
        patched.setattr("genkit.evaluation.evaluate.store_record", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            evaluate(run, part="2/2", **ASKED)
    assert records(run) == []
    (made,) = run.path.glob("parts/*/scored/*T*.json")
    done = evaluate(run, part="1/2", **ASKED)
    assert done.path.name == made.name
    check_equal(done, run, whole)


@pytest.mark.parametrize("what", ["features.npy", "part-1.json"])
def test_a_damaged_part_is_named_and_done_again(run, whole, what):
    left(run, "1/2")
    path = sorted(run.path.glob(f"parts/*/**/{what}"))[0]
    data = bytearray(path.read_bytes())
    data[-4] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"^what part 1/2 left in .* is damaged: do part 1/2 again$"):
        evaluate(run, part="2/2", **ASKED)
    check_equal(evaluate(run, part="1/2", **ASKED), run, whole)


def test_parts_that_were_measured_are_not_measured_again_until_their_record_is_gone(run, caplog):
    left(run, "1/2")
    done = evaluate(run, part="2/2", **ASKED)
    for number in (1, 2):
        again = evaluate(run, part=f"{number}/2", **ASKED)
        assert (again.path, again.record) == (done.path, done.record)
    assert all("these parts were measured before, as record" in message for message in caplog.messages)
    assert len(caplog.messages) == 2
    done.path.unlink()
    assert left(run, "2/2") == [1]


def test_an_extractor_that_failed_in_a_part_is_tried_again_by_the_command_of_that_part(run, whole, monkeypatch):
    def too_little_memory(*_):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("genkit.features.cache.rows", too_little_memory)
        left(run, "1/2")
    assert left(run, "1/2") == [2]
    check_equal(evaluate(run, part="2/2", **ASKED), run, whole)


def test_what_a_process_that_was_killed_after_its_record_left_is_removed(run, monkeypatch):
    left(run, "1/2")
    with monkeypatch.context() as patched:
        patched.setattr(parts_module.PartsFolder, "_clear", lambda self: None)
        evaluate(run, part="2/2", **ASKED)
    assert list(run.path.glob("parts/*/part-*"))
    evaluate(run, part="1/2", **ASKED)
    assert not list(run.path.glob("parts/*/part-*"))


def test_processes_of_torchrun_wait_for_each_other_and_return_the_same(run, whole, monkeypatch):
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "1"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    found = []

    def the_other_process_works(seconds):
        found.append(evaluate(run, part="1/2", **ASKED))

    monkeypatch.setattr(parts_module.time, "sleep", the_other_process_works)
    done = evaluate(run, **ASKED)
    assert len(found) == 1
    assert (done.path, done.record) == (found[0].path, found[0].record)
    check_equal(done, run, whole)


def test_metrics_without_features_have_parts_without_any(run):
    assert left(run, "2/2", metrics="mse") == [1]
    done = evaluate(run, part="1/2", **{**ASKED, "metrics": "mse"})
    assert [score.name for score in done.record.scores] == ["mse"]


def test_a_spool_without_parts_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match="^--spool is the folder in which parts meet: give --part too"):
        evaluate(run, spool=tmp_path, **ASKED)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two folders of 60 grey images."""
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))
    for name, low in (("out", 0), ("photos", 40)):
        (tmp_path / name).mkdir()
        for index in range(60):
            pixels = np.random.default_rng(index).integers(low, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    return str(tmp_path / "out"), str(tmp_path / "photos")


def test_folders_are_compared_in_parts(folders, tmp_path):
    asked = {"features": "pixels", "metrics": "fid,kid,density", "chunk": 20}
    one = compare(*folders, folder=tmp_path / "one", **asked)
    for number in (3, 1):
        with pytest.raises(OthersMissing):
            compare(*folders, folder=tmp_path / "parts", part=f"{number}/3", **asked)
    done = compare(*folders, folder=tmp_path / "parts", part="2/3", **asked)
    assert scores(done.record) == scores(one.record)
    assert [done.path] == list((tmp_path / "parts" / "records").glob("*"))


def test_only_two_sets_of_images_are_compared_in_parts(folders, tmp_path):
    for options in ({"paired": True}, {"save_stats": tmp_path / "s.npz"}):
        with pytest.raises(UsageError, match="^only two sets of images are compared in parts"):
            compare(*folders, folder=tmp_path / "a", part="1/2", features="pixels", **options)
    with pytest.raises(UsageError, match="^the parts of a comparison write one record: name its folder too"):
        compare(*folders, part="1/2", features="pixels")
