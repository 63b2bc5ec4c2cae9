"""Real images under growing corruption: a metric that does not see it is no metric."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from genkit.data import Split, open_images
from genkit.errors import DataError, MissingError, UsageError
from genkit.evaluation.compare import compare
from genkit.evaluation.config import EvalConfig
from genkit.features import load_extractor, manifest
from genkit.metrics import FeatureStatistics

LOWER = ("fid", "kid", "cmmd")


def corrupted(split, corruption, amount):
    """Images under noise, or blurred with their neighbours, as levels of 0 .. 255."""
    images = split.uint8(slice(None)).astype(np.float64)
    if corruption == "noise":
        images = images + np.random.default_rng(0).normal(0, amount, images.shape)
    else:
        for _ in range(amount):
            images = sum(np.roll(images, shift, axis) for shift, axis in ((0, 2), (1, 2), (-1, 2), (1, 3), (-1, 3))) / 5
    return Split("corrupted", images.clip(0, 255).round().astype(np.uint8), None, 256)


@pytest.mark.parametrize(("corruption", "amounts"), [("noise", (0, 20, 60, 150)), ("blur", (0, 1, 3, 10))])
def test_distances_grow_and_coverage_falls_as_real_images_are_corrupted(digits, corruption, amounts):
    asked = EvalConfig(count=1437, metrics=[*LOWER, "coverage"])
    records = [compare(corrupted(digits.train, corruption, amount), digits, asked).record for amount in amounts]
    for metric in LOWER:
        values = [record.score(f"{metric}[digits-cnn]").value for record in records]
        assert values == sorted(values), (metric, values)
        assert len(set(values)) == len(values)
    assert records[0].score("coverage[digits-cnn]").value > records[-1].score("coverage[digits-cnn]").value


def test_the_size_of_the_chunks_moves_no_feature_beyond_rounding(digits):
    values = [
        compare(digits.test, digits, EvalConfig(count=360, chunk=chunk, metrics=["fid"])).record.scores[0].value
        for chunk in (7, 100, 360)
    ]
    assert values == pytest.approx([values[0]] * 3, rel=1e-5)


def test_a_second_evaluation_against_the_same_reference_sees_only_its_own_samples(digits, monkeypatch):
    from genkit.features.classifier import ClassifierExtractor

    seen = []
    forward = ClassifierExtractor.forward

    def watch(self, images):
        seen.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(ClassifierExtractor, "forward", watch)
    asked = EvalConfig(count=100, metrics=["fid", "kid"], chunk=90)
    flipped = dataclasses.replace(digits.test, pixels=np.ascontiguousarray(digits.test.pixels[..., ::-1]))
    compare(digits.test, digits, asked)
    first = sum(seen)
    compare(flipped, digits, asked)
    assert sum(seen) - first == 100


def test_images_of_another_size_are_refused_before_anything_is_measured(digits):
    large = Split("large", digits.train.uint8(slice(0, 100)).repeat(2, axis=2).repeat(2, axis=3), None, 256)
    with pytest.raises(UsageError, match="pixels compares images of one size, not 1x16x16 with 1x8x8"):
        compare(large, digits, EvalConfig(count=50, features="pixels"))
    with pytest.raises(UsageError, match=r": add --size 8, choose"):
        compare(large, digits, EvalConfig(count=50))
    colour = dataclasses.replace(large, pixels=large.pixels.repeat(3, axis=1))
    with pytest.raises(UsageError, match=r": add --size 8 --grey, choose"):
        compare(colour, digits, EvalConfig(count=50))
    assert compare(large, digits, EvalConfig(count=100, metrics=["fid"], features="random-conv")).record.scores


def test_sets_are_named_by_what_opens_them_and_one_metric_by_its_name(tmp_path):
    np.savez(tmp_path / "a.npz", np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8))
    done = compare(tmp_path / "a.npz", "digits", metrics="kid", features="random-conv")
    assert done.record.subject.name == str(tmp_path / "a.npz")
    assert [score.name for score in done.record.scores] == ["kid[random-conv]"]
    assert done.record.scores[0].n == 40
    origin = {"samples": f"npz:{tmp_path / 'a.npz'}", "reference": "digits", "opening": {}}
    assert origin.items() <= done.record.subject.options.items()


def test_a_set_without_images_is_refused(digits):
    nothing = Split("nothing", digits.train.pixels[:0], None, 256)
    with pytest.raises(DataError, match="none holds no image: at least 3 are needed to compare sets"):
        compare(nothing, digits, name="none", metrics="kid")


def named(digits, name):
    """The digits as a set that no extractor is of."""
    return dataclasses.replace(digits, name=name, sha256="ab" * 32)


def test_images_without_an_extractor_of_their_own_are_seen_by_inception(digits, monkeypatch):
    asked = []

    def load(name, **how):
        asked.append(name)
        return load_extractor("random-conv")

    monkeypatch.setattr("genkit.evaluation.evaluator.load_extractor", load)
    for reference in (named(digits, "folder:photos"), digits):
        compare(digits.test, reference, EvalConfig(count=80, metrics=["fid"]))
    assert asked == ["inception", "digits-cnn"]


def test_without_inceptions_weights_one_sentence_says_what_to_do(digits, monkeypatch, tmp_path):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path))
    nowhere = [dataclasses.replace(weights, urls=("http://127.0.0.1:9/gone",)) for weights in manifest.WEIGHTS]
    monkeypatch.setattr(manifest, "WEIGHTS", nowhere)
    ways = r"--weights FILE, .*genkit weights add inception FILE\); --features random-conv and pixels need no weights"
    with pytest.raises(MissingError, match=ways):
        compare(digits.test, named(digits, "folder:photos"), EvalConfig(count=80))


def test_what_sees_nothing_needs_no_weights(digits):
    parameters = EvalConfig(count=80, metrics=["parameters", "fid"], features="random-conv")
    assert compare(digits.test, named(digits, "folder:photos"), parameters).record.score("fid[random-conv]")


def test_a_collapsed_set_is_measured_and_worse_than_real_images(digits):
    copies = Split("copies", digits.test.uint8([0] * 200), None, 256)
    asked = EvalConfig(count=200, metrics=["fid", "coverage", "vendi"])
    collapsed, real = (compare(images, digits, asked).record for images in (copies, digits.test))
    assert collapsed.score("fid[digits-cnn]").value > 5 * real.score("fid[digits-cnn]").value
    assert collapsed.score("coverage[digits-cnn]").value < 0.05
    assert collapsed.score("vendi[digits-cnn]").value == pytest.approx(1)


def test_labels_that_the_reference_has_not_are_not_used_and_that_is_said(digits, caplog):
    renamed = dataclasses.replace(digits, name="folder:mine", classes=tuple("abcdefghij"))
    record = compare(renamed, digits, metrics="kid,fid_per_class", count=100).record
    assert "fid_per_class" in record.absent
    assert "folder:mine: its labels are not used, as 'a' is no class of digits" in caplog.text
    caplog.clear()
    compare(digits, digits, metrics="kid", count=100)
    assert "labels are not used" not in caplog.text


def test_a_protocol_reads_paths_as_its_package_and_says_what_was_read_otherwise(tmp_path, caplog):
    for index in range(12):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8, 4), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    asked = {
        "features": "random-conv",
        "metrics": "kid",
        "protocol": "torch-fidelity",
        "parameters": {"kid": {"size": 9}},
    }
    (plain := tmp_path / "plain").mkdir()
    for index in range(12):
        Image.open(tmp_path / f"{index}.png").convert("RGB").save(plain / f"{index}.png")
    set_of_plain = compare(plain, plain, **asked).record.scores[0]
    read = compare(shutil.copytree(tmp_path, tmp_path.parent / "alpha", ignore=lambda *_: ["plain"]), plain, **asked)
    assert read.record.scores[0].value == set_of_plain.value
    assert read.record.subject.options["opening"] == {"decoding": "rgb"}
    assert "own number may differ" not in caplog.text
    opened = open_images(f"folder:{tmp_path.parent / 'alpha'}")
    assert compare(opened, plain, **asked).record.scores[0].value != set_of_plain.value
    words = "transparency read by genkit's rules, unlike in torch-fidelity, whose own number may differ"
    assert words in caplog.text
    caplog.clear()
    statistics = FeatureStatistics(np.zeros(64), np.eye(64))
    compare(opened, statistics, features="random-conv", metrics="fid", protocol="torch-fidelity")
    assert words in caplog.text
    caplog.clear()
    compare(opened, plain, features="random-conv", metrics="kid")
    assert "may differ" not in caplog.text


def test_images_of_several_sizes_are_not_compared_pixel_by_pixel(tmp_path):
    for index in range(6):
        Image.new("RGB", (8, 8 + index % 2)).save(tmp_path / f"{index}.png")
    asked = {"metrics": "kid", "protocol": "torch-fidelity"}
    with pytest.raises(UsageError, match="pixels compares images of one size: make them so with --size"):
        compare(tmp_path, tmp_path, features="pixels", **asked)
    with pytest.raises(UsageError, match="pairs have one shape, .* has several"):
        compare(tmp_path, tmp_path, paired=True, metrics="mse", protocol="torch-fidelity")
