"""FeatureCache: one pass for all extractors, cached by content, resumed after an interruption."""

from __future__ import annotations

import numpy as np
import pytest
from evidences import Counting, Sampler, drawn, made

from genkit.data import Split, open_dataset
from genkit.evaluation.samples import SplitImages
from genkit.features.cache import FeatureCache


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))


def stop(what, done, total):
    raise KeyboardInterrupt


def test_progress_is_told_within_a_chunk_and_each_extractor_has_its_share_of_it(digits):
    told = []
    samples, extractors = SplitImages(digits.test, 80, 40), [Counting("one"), Counting("other")]
    FeatureCache(samples, extractors, "samples", lambda *each: told.append(each)).extract()
    steps = (5, 10, 15, 20, 25, 30, 35, 40, 40, 45, 50, 55, 60, 65, 70, 75, 80, 80)
    assert told == [("samples", done, 80) for done in steps]


def test_features_of_the_reference_are_extracted_once_for_all_evaluators_by_content(digits):
    first, second, other = Counting(), Counting(), Counting()
    features = made(digits, None, first).real_features
    assert first.count == len(digits.train)
    np.testing.assert_array_equal(made(digits, None, second).real_features, features)
    assert second.count == 0
    other.choices = lambda: {"resize": "another"}
    _ = made(digits, None, other).real_features
    assert other.count == len(digits.train)


def test_an_interrupted_pass_resumes_at_its_next_chunk(digits, monkeypatch):
    monkeypatch.setattr("genkit.features.spool.SYNC_SECONDS", -1.0)
    whole = made(digits, Sampler(digits.info())).generated_features

    def stop_late(what, done, total):
        if done >= 64:
            raise KeyboardInterrupt

    broken = made(digits, Sampler(digits.info()), progress=stop_late)
    broken.samples.seed = 1
    with pytest.raises(KeyboardInterrupt):
        _ = broken.generated_features
    assert not broken.generated.extracted
    extractor = Counting()
    resumed = made(digits, Sampler(digits.info()), extractor)
    resumed.samples.seed = 1
    features = resumed.generated_features
    assert extractor.count == 36
    fresh = drawn(100, 32, seed=1, model=Sampler(digits.info())).reshape(100, -1)
    np.testing.assert_array_equal(features, fresh)
    assert not np.array_equal(features, whole)


def test_spools_that_stopped_within_a_chunk_of_another_size_begin_anew(digits, monkeypatch):
    monkeypatch.setattr("genkit.features.spool.SYNC_SECONDS", -1.0)
    broken = made(digits, samples=SplitImages(digits.test, 100, 33), progress=stop)
    with pytest.raises(KeyboardInterrupt):
        _ = broken.generated_features
    assert made(digits, samples=SplitImages(digits.test, 100, 25)).generated_features.shape == (100, 64)


def test_without_a_cache_folder_everything_works_in_a_temporary_one(digits, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "file"))
    assert made(digits).generated_features.shape == (100, 64)


def test_what_depends_on_the_features_alone_is_computed_once(digits):
    calls = []

    def compute():
        calls.append(1)
        return {"mean": np.arange(3.0)}

    for _ in range(2):
        np.testing.assert_array_equal(made(digits).cached_per_reference("mean", compute)["mean"], np.arange(3.0))
    assert calls == [1]


def test_labels_are_in_the_order_of_the_features(tmp_path):
    from PIL import Image

    for label, level in enumerate((20, 120, 220)):
        (tmp_path / "images" / str(label)).mkdir(parents=True)
        for index in range(30):
            pixels = np.random.default_rng(index).integers(level - 9, level + 9, (4, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / str(label) / f"{index}.png")
    data = open_dataset(f"folder:{tmp_path / 'images'}")
    split = data.everything()
    reference = FeatureCache(SplitImages(split, len(split), 7, content=data.sha256), [Counting()], "reference")
    levels = reference.features("counting").mean(axis=1)
    assert [round(float(levels[reference.labels() == label].mean()), -1) for label in range(3)] == [20, 120, 220]


def test_a_set_that_is_reference_and_sample_keeps_its_features(digits):
    samples = SplitImages(digits.train, len(digits.train), 250)
    for _ in range(2):
        evidence = made(digits, samples=samples)
        assert len(evidence.generated_features) == samples.count
        features = evidence.real_features
        evidence.close()
        assert len(features) == len(evidence.real_features)


def test_part_of_a_split_sorted_by_class_is_a_random_one(digits):
    order = np.argsort(digits.train.labels, kind="stable")
    sorted_split = Split("train", digits.train.pixels[order], digits.train.labels[order], digits.levels)
    evidence = made(digits, samples=SplitImages(sorted_split, len(order), 250))
    part = evidence.of("fid", evidence.extractor, 360)
    assert set(part.generated_labels.tolist()) == set(range(10))
    assert len(part.generated_features) == 360


@pytest.mark.parametrize("place", [0, 40, -1])
def test_what_was_computed_from_features_and_is_damaged_is_computed_again_and_that_is_said(
    digits, tmp_path, caplog, place
):
    calls = []

    def compute():
        calls.append(1)
        return {"mean": np.arange(4.0)}

    def cached():
        return FeatureCache(SplitImages(digits.test, 80, 40), [Counting()], "reference").cached_arrays(
            Counting().name, "gaussian", compute
        )["mean"]

    np.testing.assert_array_equal(cached(), cached())
    (path,) = (tmp_path / "cache").rglob("gaussian.safetensors")
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))
    caplog.clear()
    np.testing.assert_array_equal(cached(), np.arange(4.0))
    assert len(calls) == 2
    assert [message.startswith(f"{path} in the cache is damaged") for message in caplog.messages] == [True]
    cached()
    assert len(calls) == 2
