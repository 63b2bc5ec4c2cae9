"""Records are verified by torch-fidelity and torchmetrics, which see the same images; a wrong number is found.

Tests verify and other_packages of genkit.evaluation.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import genkit
from genkit.errors import DataError, MissingError, UnknownName, UsageError
from genkit.evaluation.compare import compare
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluate import evaluate
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.milestones import measure_milestones
from genkit.evaluation.verify import SINGULAR, TOLERANCES, verify
from genkit.training.api import train

ROOT = Path(__file__).resolve().parents[2]
METRICS = ["fid", "kid", "is", "precision", "recall", "f_score", "mifid"]


@pytest.fixture(scope="module")
def folders(digits, tmp_path_factory):
    """Real digits, and the same blurred: 24 images of either kind."""
    root = tmp_path_factory.mktemp("images")
    for name, radius in (("reference", 1), ("samples", 2)):
        (root / name).mkdir()
        for place, image in enumerate(digits.train.uint8(slice(0, 24))):
            picture = Image.fromarray(np.asarray(image)[0]).resize((8 // radius, 8 // radius)).resize((16, 16))
            picture.save(root / name / f"{place:03d}.png")
    return root / "samples", root / "reference"


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return train("ppca", digits, root=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def record(run):
    """A record of as many samples as the reference has images, so that all pairs can be checked."""
    return evaluate(run, count=1437, metrics=[*METRICS, "psnr", "mse", "vendi"]).path


def edited(path, name, **changes):
    """Copy a record beside the old one with one score changed."""
    document = json.loads(path.read_text())
    for score in document["scores"]:
        if score["name"] == name:
            score |= changes
    target = path.with_name("edited.json")
    target.write_text(json.dumps(document))
    return target


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["torch-fidelity", "torchmetrics"])
def test_inception_with_random_weights_on_real_images(folders, weights, tmp_path, protocol):
    sizes = {"kid": {"subsets": 0}}
    done = compare(
        *map(str, folders),
        features="inception",
        weights=weights,
        protocol=protocol,
        parameters=sizes,
        metrics=METRICS,
        folder=tmp_path,
    )
    found = verify(done.path, weights=weights)
    assert found.ok, found
    own = {check.score.partition("[")[0] for check in found.compared if check.features == "its own Inception"}
    assert own == (
        {"fid", "kid", "is", "precision", "recall", "f_score"}
        if protocol == "torch-fidelity"
        else {"fid", "kid", "mifid"}
    )
    assert {check.package for check in found.compared} == {"torch-fidelity", "torchmetrics"}


def test_a_run_is_verified_with_the_data_sets_own_extractor(record):
    found = verify(record)
    assert found.ok, found
    checked = {(check.score.partition("[")[0].partition("@")[0], check.package) for check in found.compared}
    assert checked == {
        *((name, "torch-fidelity") for name in METRICS[:-1]),
        *((name, "torchmetrics") for name in ("fid", "kid", "mifid", "psnr")),
    }
    assert "fid[digits-cnn]@360" in {check.score for check in found.compared}


def test_a_record_of_all_metrics_is_verified(run):
    """Some scores of features are of no samples, as rfid: they must not be taken for incomplete."""
    record = evaluate(run, count=400).path
    assert "rfid[digits-cnn]" in {score["name"] for score in json.loads(record.read_text())["scores"]}
    found = verify(record)
    record.unlink()
    assert found.ok, found
    assert {"vendi[digits-cnn]", "rfid[digits-cnn]"} <= {check.score for check in found.checks if check.theirs is None}


def test_reconstructions_large_enough_are_verified_by_ssim_too(folders, tmp_path):
    run = train("conv-vae", f"folder:{folders[1]}", images=64, batch=8, options={"width": 8}, root=tmp_path)
    record = evaluate(run, count=8, metrics=["psnr", "ssim"]).path
    found = verify(record)
    assert found.ok and [check.score for check in found.compared] == ["psnr", "ssim"], found
    wrong = edited(record, "ssim", value=0.5)
    assert not verify(wrong, metrics="ssim").ok


def test_ms_ssim_of_large_reconstructions_is_verified(folders, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for path in sorted(folders[1].iterdir()):
        Image.open(path).resize((176, 176)).save(images / path.name)
    run = train("conv-vae", f"folder:{images}", images=8, batch=4, options={"width": 8}, root=tmp_path / "runs")
    record = evaluate(run, count=8, metrics=["ms_ssim"]).path
    found = verify(record)
    assert found.ok and [check.package for check in found.compared] == ["torchmetrics"], found
    assert not verify(edited(record, "ms_ssim", value=0.5)).ok


def test_a_weighted_f_score_has_no_other_package(run):
    record = evaluate(run, count=400, metrics=["f_score"], parameters={"f_score": {"beta": 2}}).path
    (check,) = verify(record).checks
    record.unlink()
    assert check.reason == "it weights precision and recall equally, the record does not"


def test_a_run_is_named_by_its_id_and_its_newest_record_is_taken(run, record):
    assert verify(run.id, runs=run.path.parents[2], metrics=["fid"]).ok
    assert verify(run.path, metrics=["fid"]).ok


def test_a_wrong_number_is_found(record):
    value = next(s["value"] for s in json.loads(record.read_text())["scores"] if s["name"] == "fid[digits-cnn]")
    wrong = edited(record, "fid[digits-cnn]", value=value * 1.001)
    found = verify(wrong, metrics=["fid"])
    wrong.unlink()
    assert not found.ok
    assert [check.within for check in found.compared] == [False, False, True, True]
    assert "NOT WITHIN" in repr(found)


def test_a_score_that_no_package_has_says_why(run):
    record = evaluate(run, count=400, metrics=["kid", "fid"]).path
    found = verify(record, metrics=["kid"])
    record.unlink()
    assert not found.ok and not found.compared
    (check,) = found.checks
    assert check.reason == "it takes subsets of one size, the record all pairs of sets of two sizes"
    assert "not compared: kid[digits-cnn]" in repr(found)
    assert "no number can be compared" in repr(found)


def test_scores_with_other_neighbourhoods_are_asked_for_apart(digits, folders, tmp_path):
    """One call of torch-fidelity has one k: precision at 3 and recall at 5 need two."""
    chosen = {"recall": {"k": 5}}
    done = compare(
        *map(str, folders), features="random-conv", metrics=["precision", "recall"], parameters=chosen, folder=tmp_path
    )
    found = verify(done)
    assert found.ok and len(found.compared) == 2, found
    assert all(check.difference < 1e-6 for check in found.compared), found


def test_records_in_a_boards_folder_find_their_run(run, record, tmp_path):
    board = tmp_path / "board"
    shutil.copytree(run.path, board / "runs" / "digits" / "ppca" / run.id)
    shutil.rmtree(board / "runs" / "digits" / "ppca" / run.id / "records")
    (board / "records").mkdir()
    shutil.copy(record, board / "records" / record.name)
    assert verify(board / "records" / record.name, metrics=["fid"]).ok
    assert verify(run.id, runs=board / "runs", metrics=["fid"]).ok


def test_the_last_checkpoint_is_verified_not_a_milestone(tmp_path, digits):
    run = train("vae", digits, images=512, batch=32, milestones=1, options={"width": 16}, root=tmp_path)
    data = Evaluator(digits, EvalConfig(metrics=["fid"], count=400))
    evaluate(run, evaluator=data)
    measure_milestones(run, data, run.path)
    found = verify(run.path)
    assert found.ok and "512 images" in found.subject


def test_what_can_not_be_verified_is_an_error(record, run, tmp_path, folders, digits, weights):
    with pytest.raises(UnknownName, match="no score in the record named 'lpips'"):
        verify(record, metrics=["lpips"])
    with pytest.raises(MissingError, match="there is no record nowhere, and no run"):
        verify("nowhere", runs=tmp_path)
    done = compare(*map(str, folders), features="random-conv", metrics=["fid"], folder=tmp_path)
    assert verify(done.path).ok
    extra = folders[0] / "extra.png"
    Image.new("L", (16, 16)).save(extra)
    try:
        with pytest.raises(DataError, match="its images have changed since"):
            verify(done.path)
    finally:
        extra.unlink()


def test_the_parity_page_states_what_is_allowed():
    page = (ROOT / "docs" / "reference" / "parity.md").read_text()
    rows = re.findall(r"^\| ([a-z_]+)( of no more images than features)? \| (\de-\d+) \| ([^|]+) \|$", page, flags=re.M)
    assert {name: float(allowed) for name, singular, allowed, _ in rows if not singular} == TOLERANCES
    assert {name: float(allowed) for name, singular, allowed, _ in rows if singular} == {
        "fid": SINGULAR,
        "mifid": SINGULAR,
    }
    assert all(found == "not measured" or float(found) <= float(allowed) for *_, allowed, found in rows)


def test_an_evaluation_is_verified_as_it_is_returned(folders, tmp_path):
    done = compare(*map(str, folders), features="random-conv", metrics=["fid", "precision"], folder=tmp_path)
    assert genkit.verify(done).ok
    with pytest.raises(UsageError, match="was not written: give compare a folder"):
        genkit.verify(compare(*map(str, folders), features="random-conv", metrics=["fid"]))


@pytest.mark.parametrize(("images", "agree"), [(1, True), (4, False)])
def test_precision_may_differ_by_two_images_on_the_border(record, images, agree):
    score = next(s for s in json.loads(record.read_text())["scores"] if s["name"] == "precision[digits-cnn]")
    off = edited(record, "precision[digits-cnn]", value=score["value"] + images / 1437)
    found = verify(off, metrics="precision")
    off.unlink()
    assert found.ok is agree


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d["protocol"].pop("samples"), "not complete: it does not say samples.chunk, samples.count"),
        (lambda d: d["scores"][0]["choices"].pop("features.sha256"), "not complete: it does not say features.sha256"),
        (lambda d: d["subject"]["options"].update(opening=None), "its images can't be opened again"),
        (lambda d: d["scores"][0]["choices"].update({"samples.count": 4000}), "says 4,000 samples, but there are 24"),
    ],
    ids=["protocol", "extractor", "opening", "count"],
)
def test_an_edited_record_is_one_sentence(folders, tmp_path, edit, words):
    done = compare(*map(str, folders), features="random-conv", metrics=["fid"], folder=tmp_path)
    document = json.loads(done.path.read_text())
    edit(document)
    (tmp_path / "edited.json").write_text(json.dumps(document))
    with pytest.raises((DataError, MissingError), match=words):
        verify(tmp_path / "edited.json")
