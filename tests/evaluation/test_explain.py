"""Differences between records are told choice by choice, and add up to the whole."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from genkit.data import open_images
from genkit.errors import DataError, MissingError, UnknownName, UsageError
from genkit.evaluation.compare import compare
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluate import evaluate
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.explain import explain
from genkit.evaluation.reopen import extractor_choices
from genkit.files.integrity import sha256_file
from genkit.results.protocols import ProtocolPreset
from genkit.training.api import train


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return train("ppca", digits, root=tmp_path_factory.mktemp("runs"))


def measured(run, digits, **choices):
    asked = EvalConfig(**{"count": 400, "metrics": ["fid", "kid"], **choices})
    return evaluate(run, evaluator=Evaluator(digits, asked)).path


def test_each_choice_is_changed_in_turn_and_the_changes_add_up(run, digits):
    rules = ProtocolPreset(quantisation="truncate", parameters={"fid": {"ddof": 0}})
    first, second = measured(run, digits), measured(run, digits, protocol=rules, seed=3)
    (found,) = explain(first, second, metric="fid[digits-cnn]")
    assert found.reason == ""
    assert [change.choice for change in found.changes] == ["samples.seed", "samples.quantisation", "parameters.ddof"]
    assert found.start == found.first.value
    assert found.changes[-1].value == pytest.approx(found.second.value, rel=1e-9)
    values = [found.start, *(change.value for change in found.changes)]
    assert len(set(values)) == 4


def test_times_are_compared_only_when_asked_for(run, digits):
    first, second = (measured(run, digits, metrics=["parameters", "latency"]) for _ in range(2))
    assert [found.name for found in explain(first, second)] == ["parameters"]
    assert [found.name for found in explain(first, second, metric="latency")] == ["latency"]


def test_scores_that_only_one_record_has_are_listed_with_the_reason(run, digits):
    first = measured(run, digits, metrics=["fid", "kid", "lpips"])
    second = measured(run, digits, metrics=["kid", "vendi"])
    found = {each.name: each for each in explain(first, second)}
    assert found["kid[digits-cnn]"].reason == ""
    gone, new = found["fid[digits-cnn]"], found["vendi[digits-cnn]"]
    assert (gone.second, gone.changes) == (None, ())
    assert gone.first.value > 0
    assert gone.reason == "only in one of them; of the second record: it was not measured"
    assert new.first is None
    assert "of the first record" in new.reason
    (alone,) = explain(second, first, metric="fid[digits-cnn]")
    assert alone.second.value == gone.first.value


def test_a_record_s_own_reason_for_having_no_score_is_told(run, digits):
    first = measured(run, digits, metrics=["fid", "mse"])
    record = json.loads(first.read_text())
    record["scores"] = [score for score in record["scores"] if score["metric"] != "mse"]
    record["absent"]["mse"] = "ppca was asleep"
    second = first.with_name("asleep.json")
    second.write_text(json.dumps(record))
    (found,) = explain(first, second, metric="mse")
    assert found.reason.endswith("of the second record: ppca was asleep")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("inception-64-0123abcd", {"resize": "a", "precision": "float32"}),
        ("inception-torchvision", {}),
        ("clip-0123abcd", {"resize": "a", "architecture": "b"}),
        ("dinov2", {"resize": "a", "architecture": "b"}),
        ("pixels", {}),
    ],
)
def test_of_a_record_s_choices_those_are_asked_for_again_that_the_extractor_offers(name, asked):
    made = {"extractor": name, "resize": "a", "architecture": "b", "precision": "float32", "layer": "c", "size": "d"}
    made["sha256"] = "0123abcd" * 8
    assert extractor_choices(made) == asked


def test_a_printed_copy_of_a_record_finds_its_run(run, digits, tmp_path):
    first, second = measured(run, digits), measured(run, digits, seed=2)
    copy = tmp_path / "copy.json"
    copy.write_text(json.dumps({**json.loads(first.read_text()), "path": str(first)}))
    (found,) = explain(copy, second, metric="kid")
    assert found.changes[0].value == pytest.approx(found.second.value, rel=1e-9)


def test_records_of_two_trainings_differ_in_their_weights(run, digits, tmp_path):
    other = train("ppca", digits, options={"latent": 3}, root=tmp_path)
    (found,) = explain(measured(run, digits), measured(other, digits), metric="fid[digits-cnn]")
    runs = [
        f"ppca of run {each.id} (raw weights of checkpoint {sha256_file(each.newest_checkpoint())[:12]})"
        for each in (run, other)
    ]
    assert found.reason == f"they are of different weights: {runs[0]} and {runs[1]}"
    assert found.changes == ()


def test_sets_of_images_are_found_again_by_where_they_are_from(digits, tmp_path):
    origin = {"samples": "digits", "reference": "digits", "opening": {}}
    paths = [
        compare(digits, digits, EvalConfig(count=200, seed=seed, metrics=["kid"]), origin=origin,
                        folder=tmp_path).path
        for seed in (0, 1)
    ]  # fmt: skip
    (found,) = explain(*paths)
    assert [change.choice for change in found.changes] == ["samples.seed"]
    assert found.changes[0].value == pytest.approx(found.second.value, rel=1e-9)
    with pytest.raises(UsageError, match="this record compared two sets of images"):
        explain(*paths, dataset="digits")


def test_how_the_files_were_read_is_a_choice_like_others(tmp_path):
    for name, high in (("a", 256), ("b", 200)):
        (tmp_path / name).mkdir()
        for index in range(12):
            pixels = np.random.default_rng(index).integers(0, high, (9, 8 + index % 2, 4), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    sets = [f"folder:{tmp_path / name}" for name in "ab"]
    first, second = (
        compare(
            *(open_images(name, **opening) for name in sets),
            EvalConfig(metrics=["kid"], features="random-conv", count=count),
            origin={"samples": sets[0], "reference": sets[1], "opening": opening},
            folder=tmp_path,
        )
        for opening, count in (({"size": 8}, 12), ({"decoding": "rgb"}, 10))
    )
    (found,) = explain(first.path, second.path)
    assert [each.choice for each in found.changes] == ["opening", "samples.count"]
    assert (found.changes[0].before, found.changes[0].after) == ({"size": 8}, {"decoding": "rgb"})
    assert found.start == pytest.approx(found.first.value, rel=1e-9)
    assert found.changes[0].value not in (found.start, found.changes[1].value)
    assert found.changes[1].value == pytest.approx(found.second.value, rel=1e-9)


def test_records_of_two_sets_of_images_name_them_by_their_content(digits, tmp_path):
    asked = EvalConfig(count=100, metrics=["kid"])
    dark = digits.everything()
    dark = dataclasses.replace(digits, sha256="ab" * 32, whole=dataclasses.replace(dark, pixels=dark.pixels // 2))
    paths = [compare(each, digits, asked, origin={"a": 1}, folder=tmp_path).path for each in (digits, dark)]
    (found,) = explain(*paths)
    assert found.reason == f"they are of different subjects: images ({digits.sha256[:12]}) and images (abababababab)"


def test_what_can_not_be_compared_is_said(run, digits, tmp_path):
    first = measured(run, digits)
    with pytest.raises(UnknownName, match="score in either record"):
        explain(first, first, metric="elbo")
    with pytest.raises(MissingError, match="there is no record"):
        explain(first, tmp_path / "gone.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(DataError):
        explain(tmp_path / "bad.json", first)
    moved = tmp_path / "moved.json"
    moved.write_text(first.read_text())
    second = measured(run, digits, seed=9)
    (found,) = explain(moved, second, metric="kid")
    assert "is not found" in found.reason
    assert dataclasses.asdict(found.changes[0]) == {"choice": "samples.seed", "before": 0, "after": 9, "value": None}
