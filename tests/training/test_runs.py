from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
import torch

from genkit.data.open import OpenOptions
from genkit.errors import DataError, GenkitError, MissingError, PluginError, UsageError
from genkit.files.integrity import unsealed
from genkit.models import DataInfo
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec
from genkit.training import checkpoint
from genkit.training.config import RunConfig
from genkit.training.runs import check_in_no_run, create, find_run, find_runs, load, make_model, model_class, open_run
from genkit.training.status import Status

DATA = DataInfo((1, 8, 8), 17, 10, (0.1,) * 10, 1437)


def config(model="toy-trouble", **changes):
    facts = {"dataset": "digits", "dataset_slug": "digits", "dataset_sha256": "0" * 64, "data": DATA, "batch": 8}
    return RunConfig(model, "toys", "0", **{**facts, "options": {}, "images": 100, **changes})


def changed(run, **changes):
    """Write another run.json, without a hash as those of before."""
    path = run.path / "run.json"
    path.write_text(json.dumps({**unsealed(path.read_bytes(), path), **changes}))
    return run.path


def test_a_folder_in_a_run_is_refused_and_no_other(tmp_path, monkeypatch):
    around = create(tmp_path, config())
    monkeypatch.chdir(around.path)
    (tmp_path / "link").symlink_to(around.path / "samples")
    for folder in (".", "samples", "samples/more", around.path, tmp_path / "link"):
        with pytest.raises(UsageError, match="is inside the run .*: name a folder of runs that is in no run"):
            check_in_no_run(Path(folder), "a folder of runs")
    check_in_no_run(Path("../other"), "a folder")
    (tmp_path / "run.json").write_text('{"cmd": "make"}')  # of another program
    check_in_no_run(tmp_path / "runs", "a folder of runs")


def test_a_run_is_found_again_as_it_was_made(tmp_path):
    made = create(tmp_path, config(options={"widths": [1, 2]}, created="2026"))
    assert open_run(made.path) == made
    assert made.path.parent == tmp_path / "digits" / "toy-trouble"
    assert list(find_runs(tmp_path)) == [made]


def test_every_run_has_a_folder_of_its_own(tmp_path, monkeypatch):
    tokens = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("secrets.token_hex", lambda size: next(tokens))
    assert [create(tmp_path, config()).id for _ in range(2)] == ["aaaa", "bbbb"]


def test_runs_are_listed_oldest_first_and_by_model_and_data(tmp_path):
    old = create(tmp_path, config(created="2026-01-01", model="other"))
    new = create(tmp_path, config(created="2026-02-01"))
    assert [run.id for run in find_runs(tmp_path)] == [old.id, new.id]
    assert [run.id for run in find_runs(tmp_path, model="other", dataset="digits")] == [old.id]
    assert list(find_runs(tmp_path, dataset="mnist")) == []


@pytest.mark.parametrize(("file", "text"), [("run.json", "{"), ("status.json", '{"state": "finished", "images": "x"}')])
def test_a_run_that_cannot_be_read_is_passed_over_in_lists_with_one_sentence(tmp_path, file, text):
    good, bad = create(tmp_path, config()), create(tmp_path, config())
    (bad.path / file).write_text(text)
    said = []
    assert list(find_runs(tmp_path, unreadable=said.append)) == [good]
    (sentence,) = said
    assert sentence.startswith(f"{bad.path / file} can't be read: ")


def test_a_spoilt_run_is_named_when_it_is_asked_for_by_id(tmp_path):
    bad = create(tmp_path, config())
    (bad.path / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run\.json can't be read"):
        find_run(tmp_path, bad.id)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"images": "abc"}, "images"),
        ({"images": 0}, "images"),
        ({"images": None}, "a budget is in images or in minutes"),
        ({"images": None, "minutes": float("inf")}, "finite"),
        ({"options": {"rate": float("nan")}}, "finite"),
        ({"created": 5}, "created"),
        ({"batch": "x"}, "batch"),
        ({"model": 5}, "model"),
        ({"opening": "x"}, "opening"),
        ({"opening": {"size": "big"}}, "opening.size"),
        ({"opening": {"crop": "left"}}, "opening.crop"),
        ({"data": {"shape": "abc"}}, "data.shape"),
        ({"data": {"shape": [1, 8]}}, "data.shape"),
        ({"data": {"shape": [1, 8, 0]}}, "no pixels"),
        ({"environment": {"python": 3}}, "environment.python"),
    ],
)
def test_a_field_of_a_wrong_type_or_range_is_one_sentence_that_names_it(tmp_path, changes, where):
    path = changed(create(tmp_path, config()), **changes)
    with pytest.raises(DataError, match=rf"^\S*run\.json can't be read: .*{where}"):
        open_run(path)


def test_fields_of_later_versions_are_ignored(tmp_path):
    made = create(tmp_path, config(opening=OpenOptions(size=8)))
    assert open_run(changed(made, colour="red")).config == made.config


def test_runs_on_a_folder_are_found_under_any_name_that_means_it(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    run = create(tmp_path, config(dataset=f"folder:{tmp_path / 'photos'}", dataset_slug="folder-photos"))
    for name in ("photos", "folder:photos", f"folder:{tmp_path}/photos", "folder-photos"):
        assert list(find_runs(tmp_path, dataset=name)) == [run]
    assert list(find_runs(tmp_path, dataset="folder:elsewhere")) == []


def test_a_run_is_found_by_path_id_and_beginning(tmp_path, monkeypatch):
    tokens = iter(["ab12", "ab34"])
    monkeypatch.setattr("secrets.token_hex", lambda size: next(tokens))
    one, _ = create(tmp_path, config()), create(tmp_path, config())
    assert find_run(tmp_path, str(one.path)) == find_run(tmp_path, "ab12") == find_run(tmp_path, "ab1") == one
    with pytest.raises(MissingError, match="'ab' is the beginning of 2 runs: .*ab12.*ab34"):
        find_run(tmp_path, "ab")
    for nothing in ("zz", "", str(tmp_path / "zz")):
        with pytest.raises(MissingError, match="there is no run"):
            find_run(tmp_path, nothing)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"schema": "x"}', '{"schema": 1, "data": {}}'])
def test_a_spoilt_run_file_is_one_sentence(tmp_path, text):
    run = create(tmp_path, config())
    (run.path / "run.json").write_text(text)
    with pytest.raises(DataError, match=r"run\.json can't be read"):
        open_run(run.path)


def test_a_future_schema_asks_for_an_update(tmp_path):
    with pytest.raises(DataError, match="has schema 2; this genkit reads up to 1: update genkit$"):
        open_run(changed(create(tmp_path, config()), schema=2))


def test_a_spoilt_status_is_one_sentence(tmp_path):
    run = create(tmp_path, config())
    run.write_status(Status("finished", 3))
    assert run.finished
    for text in ("{", "[1]", '{"colour": 1}', '{"state": 3}', '{"state": "finished", "seconds": 1e999}'):
        (run.path / "status.json").write_text(text)
        with pytest.raises(DataError, match=r"status\.json can't be read: .*: remove it, and genkit train --resume"):
            _ = run.status


def test_a_run_without_a_checkpoint_says_how_to_get_one(tmp_path, toy_models):
    run = create(tmp_path, config())
    with pytest.raises(MissingError, match="has no checkpoint yet: genkit train --resume"):
        load(run)
    run.write_status(Status("finished", 3))
    with pytest.raises(MissingError, match="is finished, and its checkpoints are gone: restore them"):
        load(run)


def test_a_checkpoint_of_another_model_does_not_fit(tmp_path, toy_models):
    run = create(tmp_path, config())
    checkpoint.save(run.path / "checkpoints" / "step-000000001.safetensors", {"model/x": torch.ones(1)}, {})
    with pytest.raises(DataError, match="does not fit ToyTrouble"):
        load(run)


def test_a_checkpoint_that_says_something_else_than_a_stage_is_named(tmp_path, toy_models):
    run = create(tmp_path, config())
    tensors = checkpoint.module_state(run.make_model())
    tensors = {f"model/{name}": tensor for name, tensor in tensors.items()}
    checkpoint.save(run.path / "checkpoints" / "step-000000001.safetensors", tensors, {"stage": ""})
    with pytest.raises(DataError, match="is not a whole genkit checkpoint"):
        load(run)


def test_checkpoints_are_ordered_by_step_and_temporary_files_are_none(tmp_path):
    run = create(tmp_path, config())
    for name in ("step-000000100.safetensors", "step-000000020.safetensors", ".step-000000300.safetensors.1.part"):
        (run.path / "checkpoints").mkdir(exist_ok=True)
        (run.path / "checkpoints" / name).write_text("")
    assert [path.name for path in run.checkpoints()] == ["step-000000020.safetensors", "step-000000100.safetensors"]


def test_no_folder_can_be_made_under_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GenkitError, match="no run folder can be made in"):
        create(tmp_path / "file", config())


def test_a_target_that_is_no_model_is_the_plugins_fault(toy_models):
    registry().plugins[-1].specs[ModelSpec].append(ModelSpec("odd", "toys:plugin"))
    with pytest.raises(PluginError, match="model 'odd' is .*, not a GenerativeModel class"):
        model_class("odd")


@pytest.mark.parametrize("error", [StopIteration(), GeneratorExit(), ValueError("two\nlines"), SystemExit(0)])
def test_a_model_whose_code_fails_is_named_with_the_place(toy_models, monkeypatch, error):
    def fails(model, options, data):
        raise error

    monkeypatch.setattr(model_class("toy-gan"), "__init__", fails)
    with pytest.raises(
        PluginError, match=r"model 'toy-gan' can't be built: \w+.*, at .*test_runs.py:\d+: mend it there$"
    ) as caught:
        make_model("toy-gan", {}, DataInfo((1, 8, 8), 256))
    assert caught.value.__cause__ is error and "\n" not in str(caught.value)


def test_a_model_is_built_with_checked_options(toy_models):
    assert make_model("toy-trouble", {"at": 5}, DATA).options.at == 5


def test_a_model_is_loaded_by_folder_id_or_checkpoint_and_samples_without_a_generator(run_toy, tmp_path, monkeypatch):
    run = run_toy("toy-gan", images=64)
    monkeypatch.setenv("GENKIT_RUNS", str(tmp_path / "runs"))
    for given in (run.path, str(run.path), run.id, run.newest_checkpoint(), str(run.newest_checkpoint())):
        torch.manual_seed(3)
        images = load(given).sample(4)
        torch.manual_seed(3)
        assert torch.equal(images, load(run).sample(4))
    with pytest.raises(MissingError, match="no run 'zz'"):
        load("zz")
    with pytest.raises(MissingError, match="belongs to no run"):
        load(tmp_path / "x.safetensors")


def test_the_first_checkpoint_can_be_loaded(run_toy):
    run = run_toy("toy-gan", images=64)
    first, last = run.checkpoints()[0], run.newest_checkpoint()
    weights = [load(path).state_dict() for path in (first, last)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_run_made_last_is_the_newest_although_the_clock_was_set_back(tmp_path):
    old = create(tmp_path, config())
    changed(old, order="", created="2026-03-01T00:00:00.000+00:00")  # as older versions made it
    first = create(tmp_path, config(created="2026-02-01T00:00:00.000+00:00"))
    second = create(tmp_path, config(created="2026-01-01T00:00:00.000+00:00", model="other"))
    assert [run.id for run in find_runs(tmp_path)] == [old.id, first.id, second.id]
    assert second.config.created.startswith("2026-01-01")


def test_no_run_stays_the_newest_by_the_order_that_it_claims(tmp_path):
    ahead = create(tmp_path, config())
    changed(ahead, order="9999-12-31T23:59:59.997+00:00", created="2026-03-01T00:00:00.000+00:00")
    later = create(tmp_path, config(created="2026-03-02T00:00:00.000+00:00"))
    assert [run.id for run in find_runs(tmp_path)] == [ahead.id, later.id]
    changed(ahead, order="z")
    problems = []
    assert [run.id for run in find_runs(tmp_path, unreadable=problems.append)] == [later.id]
    assert "order is 'z', not a time" in problems[0]


def test_a_run_folder_appears_whole_and_obeys_the_umask(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("genkit.training.runs.write_atomic", killed)
        create(tmp_path, config())
    assert not list((tmp_path / "digits" / "toy-trouble").iterdir())
    before = os.umask(0o002)
    try:
        assert create(tmp_path, config()).path.stat().st_mode & 0o777 == 0o775
    finally:
        os.umask(before)


def test_a_checkpoint_that_training_replaces_while_it_is_loaded_is_loaded_anew(run_toy, monkeypatch):
    run = run_toy("toy-gan")
    newest = run.newest_checkpoint()
    loading, calls = checkpoint.load, []

    def rotated(path, prefix=""):
        calls.append(path)
        if len(calls) == 1:
            path.rename(path.with_name("step-000000999.safetensors"))
        return loading(path, prefix)

    monkeypatch.setattr(checkpoint, "load", rotated)
    load(run)
    assert [path.name for path in calls] == [newest.name, "step-000000999.safetensors"]
    with pytest.raises(MissingError, match="there is no checkpoint"):
        load(run, checkpoint_path=newest)


@pytest.mark.parametrize("file", ["run.json", "status.json"])
def test_a_document_that_is_not_what_was_written_is_named_and_one_of_before_without_a_hash_is_read(tmp_path, file):
    run = create(tmp_path, config())
    run.write_status(Status("finished", 100))
    path = run.path / file
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"images": 100', b'"images": 101'))
    said = []
    assert list(find_runs(tmp_path, unreadable=said.append)) == []
    (line,) = said
    assert line.startswith(f"{path} can't be read: it was changed or damaged since it was written: re")
    document = json.loads(whole)
    del document["own_sha256"]
    path.write_text(json.dumps(document))
    assert list(find_runs(tmp_path)) == [run]


def test_no_flip_in_a_runs_document_changes_what_is_read(tmp_path):
    run = create(tmp_path, config())
    path = run.path / "run.json"
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with contextlib.suppress(DataError):
            assert open_run(run.path) == run
