"""Evidence: full chunks cut after sampling, chunk seeds, eval mode, one pass for all metrics."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from genkit.data import Split
from genkit.errors import PluginError
from genkit.evaluation.evidence import Evidence, Gathered
from genkit.evaluation.extraction import Seen
from genkit.evaluation.reference import Reference
from genkit.evaluation.samples import ModelSamples, SplitSamples, quiet
from genkit.models import DataInfo, GenerativeModel

INFO = DataInfo((1, 8, 8), 17, 2, (0.25, 0.75), 10)
CPU = torch.device("cpu")


class Sampler(GenerativeModel):
    """Uniform images through a batch norm, and a memory of what it was asked."""

    def __init__(self, data: DataInfo = INFO) -> None:
        super().__init__(None, data)
        self.norm = nn.BatchNorm2d(data.shape[0])
        self.asked: list[int] = []
        self.labels: list[torch.Tensor] = []

    def sample(self, n, *, generator, condition=None):
        self.asked.append(n)
        if condition is not None:
            self.labels.append(condition)
        return self.norm(torch.rand(n, *self.data.shape, generator=generator)).clamp(0, 1)


def drawn(count, chunk, seed=0, model=None):
    samples = ModelSamples(model or Sampler(), count, chunk, seed, CPU)
    return torch.cat(list(samples.chunks())).numpy()


def test_the_last_chunk_is_cut_after_sampling():
    model = Sampler()
    assert len(drawn(70, 32, model=model)) == 70
    assert model.asked == [32, 32, 32]


def test_fewer_samples_are_the_first_of_more():
    np.testing.assert_array_equal(drawn(40, 32), drawn(96, 32)[:40])


def test_chunks_differ_and_follow_the_evaluation_seed():
    images = drawn(64, 32)
    assert not np.array_equal(images[:32], images[32:])
    np.testing.assert_array_equal(images, drawn(64, 32))
    assert not np.array_equal(images, drawn(64, 32, seed=1))


def test_sampling_is_in_eval_mode_and_leaves_the_state_dict_alone():
    model = Sampler().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    drawn(64, 32, model=model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_labels_are_drawn_with_the_data_frequencies():
    model = Sampler()
    drawn(4000, 1000, model=model)
    labels = torch.cat(model.labels)
    assert set(labels.tolist()) == {0, 1}
    assert labels.float().mean().item() == pytest.approx(0.75, abs=0.03)


def test_a_subset_of_a_split_is_random_and_without_repetition(digits):
    images = torch.cat(list(SplitSamples(digits.test, 100, 32, 0).chunks())).numpy()
    everything = digits.test.uint8(slice(None))
    assert len(images) == 100
    assert not np.array_equal(images, everything[:100])
    keys = {image.tobytes() for image in everything}
    assert all(image.tobytes() in keys for image in images)


class Counting:
    """An extractor that counts the images it sees."""

    sha256, has_logits = "0" * 64, True

    def __init__(self, name="counting"):
        self.name = name
        self.seen = 0

    def choices(self):
        return {"resize": "none"}

    def __call__(self, images, tick=lambda done: None):
        assert images.dtype == torch.uint8
        for done in range(10, len(images) + 1, 10):
            tick(done)
        self.seen += len(images)
        flat = images.reshape(len(images), -1).float()
        return SimpleNamespace(features=flat, logits=flat[:, :3])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))


def gathered(digits, model=None, *extractors, samples=None, **more):
    extractors = extractors or (Counting(),)
    model = model or Sampler(digits.info())
    reference = Reference(SplitSamples(digits.train, len(digits.train), 250), extractors, quiet)
    originals = Reference(SplitSamples(digits.test, len(digits.test), 250), extractors, quiet)
    samples = samples or ModelSamples(model, 100, 32, 0, CPU)
    return Gathered(samples, reference, digits.test, originals, list(extractors), model, CPU, **more)


def test_test_images_are_seen_once_for_all_models(digits):
    class Echo(Sampler):
        def reconstruct(self, images):
            return images

    first, second = Counting(), Counting()
    for extractor in (first, second):
        shared = gathered(digits, Echo(digits.info()), extractor)
        images, again = Evidence(shared, "counting", 100).reconstructed
        shared.close()
        np.testing.assert_array_equal(np.sort(images.features, axis=0), np.sort(again.features, axis=0))
    assert (first.seen, second.seen) == (2 * len(digits.test), len(digits.test))


def test_all_metrics_and_extractors_share_one_pass_over_the_samples(digits):
    one, other = Counting("one"), Counting("other")
    model = Sampler(digits.info())
    shared = gathered(digits, model, one, other)
    for extractor in ("one", "other"):
        whole, few = Evidence(shared, extractor, 100), Evidence(shared, extractor, 40)
        assert whole.generated.logits.shape == (100, 3)
        np.testing.assert_array_equal(few.generated.features, whole.generated.features[:40])
    assert one.seen == other.seen == 100
    assert len(model.asked) == 4


def test_progress_is_told_within_a_chunk_and_all_extractors_have_their_part_of_it(digits):
    told = []
    seen = Seen(SplitSamples(digits.test, 80, 40), [Counting("one"), Counting("other")], "samples")
    seen.gather("test", lambda *each: told.append(each))
    assert told == [
        ("test", done, 80) for done in (5, 10, 15, 20, 25, 30, 35, 40, 40, 45, 50, 55, 60, 65, 70, 75, 80, 80)
    ]


def test_the_reference_is_seen_once_for_all_evaluators_and_by_content(digits):
    first, second, shuffled = Counting(), Counting(), Counting()
    features = gathered(digits, None, first).reference.features("counting").features
    assert first.seen == len(digits.train)
    np.testing.assert_array_equal(gathered(digits, None, second).reference.features("counting").features, features)
    assert second.seen == 0
    shuffled.choices = lambda: {"resize": "another"}
    gathered(digits, None, shuffled).reference.features("counting")
    assert shuffled.seen == len(digits.train)


def test_what_depends_on_the_reference_alone_is_computed_once(digits):
    asked = []

    def compute():
        asked.append(1)
        return {"mean": np.arange(3.0)}

    for _ in range(2):
        found = Evidence(gathered(digits), "counting", 100).remembered("mean", compute)
        np.testing.assert_array_equal(found["mean"], np.arange(3.0))
    assert asked == [1]


def test_an_interrupted_pass_goes_on_at_its_next_chunk(digits, monkeypatch):
    monkeypatch.setattr("genkit.evaluation.spool.SYNC_SECONDS", -1.0)
    whole = Evidence(gathered(digits, Sampler(digits.info())), "counting", 100).generated.features

    def stop(what, done, total):
        if what == "samples" and done >= 64:
            raise KeyboardInterrupt

    torch.manual_seed(5)
    broken = gathered(digits, Sampler(digits.info()), progress=stop, seed=1)
    broken.samples.seed = 1
    with pytest.raises(KeyboardInterrupt):
        _ = broken.seen
    again = Counting()
    resumed = gathered(digits, Sampler(digits.info()), again)
    resumed.samples.seed = 1
    found = Evidence(resumed, "counting", 100).generated.features
    assert again.seen == 36
    fresh = drawn(100, 32, seed=1, model=Sampler(digits.info())).reshape(100, -1)
    np.testing.assert_array_equal(found, fresh)
    assert not np.array_equal(found, whole)


def test_a_finished_evaluation_keeps_the_reference_and_not_the_samples(digits, tmp_path):
    found = gathered(digits)
    _ = found.seen, found.reference.seen
    assert len(list((tmp_path / "cache" / "seen").glob("*/*"))) == 2
    found.close()
    (kept,) = (tmp_path / "cache" / "seen").glob("*/*")
    assert kept.parent.name == "reference"


def test_without_a_cache_folder_everything_works_in_a_temporary_one(digits, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "file"))
    assert Evidence(gathered(digits), "counting", 100).generated.features.shape == (100, 64)


def test_the_samples_themselves_and_their_labels_are_kept_when_asked_for(digits):
    model = Sampler(digits.info())
    model.conditional = True
    found = Evidence(gathered(digits, model, images=True), "counting", 100)
    np.testing.assert_array_equal(found.generated_images, drawn(100, 32, model=Sampler(digits.info())))
    np.testing.assert_array_equal(found.generated_labels, torch.cat(model.labels)[:100])


def test_a_part_of_a_split_in_the_order_of_its_classes_is_a_random_one(digits):
    order = np.argsort(digits.train.labels, kind="stable")
    sorted_split = Split("train", digits.train.pixels[order], digits.train.labels[order], digits.levels)
    samples = SplitSamples(sorted_split, len(order), 250)
    found = Evidence(gathered(digits, samples=samples), "counting", 360)
    assert set(found.generated_labels.tolist()) == set(range(10))
    assert len(found.generated.features) == 360


class Likely(Sampler):
    """Reconstructs by halving; its likelihood is the mean pixel plus a draw."""

    def reconstruct(self, images):
        return images * 0.5

    def log_likelihood(self, images, *, generator, importance_samples=1):
        return images.flatten(1).mean(1) + importance_samples + torch.rand(len(images), generator=generator)


def test_reconstructions_are_of_the_whole_test_split(digits):
    found = gathered(digits, Likely(digits.info()))
    np.testing.assert_allclose(found.test_images, digits.test.images(slice(None)).numpy())
    np.testing.assert_allclose(found.reconstructions, found.test_images * 0.5)
    found.close()


def test_likelihoods_keep_the_last_partial_batch_and_are_computed_once(digits):
    found = gathered(digits, Likely(digits.info()))
    bound = found.log_likelihood(1)
    assert bound.shape == (len(digits.test),)
    assert found.log_likelihood(1) is bound
    again = gathered(digits, Likely(digits.info())).log_likelihood(1)
    np.testing.assert_array_equal(bound, again)
    assert found.log_likelihood(5).mean() > bound.mean() + 3


class Careless(Likely):
    """Draws from the global generator, which it should not."""

    def log_likelihood(self, images, *, generator, importance_samples=1):
        return torch.rand(len(images))


def test_a_likelihood_that_draws_globally_still_depends_on_the_evaluation_seed_alone(digits):
    torch.manual_seed(1)
    first = gathered(digits, Careless(digits.info())).log_likelihood(1)
    torch.manual_seed(2)
    np.testing.assert_array_equal(first, gathered(digits, Careless(digits.info())).log_likelihood(1))


def test_labels_of_the_reference_are_in_the_order_of_its_features(tmp_path):
    from PIL import Image

    from genkit.data import open_dataset

    for label, level in enumerate((20, 120, 220)):
        (tmp_path / "images" / str(label)).mkdir(parents=True)
        for index in range(30):
            pixels = np.random.default_rng(index).integers(level - 9, level + 9, (4, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / str(label) / f"{index}.png")
    data = open_dataset(f"folder:{tmp_path / 'images'}")
    split = data.everything()
    reference = Reference(SplitSamples(split, len(split), 7, content=data.sha256), [Counting()], quiet)
    levels = reference.features("counting").features.mean(axis=1)
    assert [round(float(levels[reference.labels == label].mean()), -1) for label in range(3)] == [20, 120, 220]


def test_a_set_that_is_reference_and_sample_keeps_its_features(digits):
    samples = SplitSamples(digits.train, len(digits.train), 250)
    for _ in range(2):
        found = gathered(digits, samples=samples)
        assert len(Evidence(found, "counting", samples.count).generated.features) == samples.count
        reference = found.reference.features("counting").features
        found.close()
        assert len(reference) == len(found.reference.features("counting").features)


def test_spools_that_stopped_within_a_chunk_of_another_size_begin_anew(digits, monkeypatch):
    monkeypatch.setattr("genkit.evaluation.spool.SYNC_SECONDS", -1.0)

    def stop(what, done, total):
        raise KeyboardInterrupt

    broken = gathered(digits, samples=SplitSamples(digits.test, 100, 33), progress=stop)
    with pytest.raises(KeyboardInterrupt):
        _ = broken.seen
    found = Evidence(gathered(digits, samples=SplitSamples(digits.test, 100, 25)), "counting", 100)
    assert found.generated.features.shape == (100, 64)


SPOILT = {
    "NaN": lambda images: images.where(images > 0.5, torch.nan),
    "[-1, 1]": lambda images: images * 2 - 1,
    "levels": lambda images: images * 255,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_samples_and_reconstructions_that_are_no_images_are_not_measured(digits, spoil):
    class Spoilt(Sampler):
        def sample(self, n, **how):
            return spoil(super().sample(n, **how))

        def reconstruct(self, images):
            return spoil(images)

    found = gathered(digits, Spoilt(digits.info()))
    with pytest.raises(PluginError, match="samples of Spoilt"):
        _ = found.seen
    with pytest.raises(PluginError, match="reconstructions of Spoilt"):
        found.reconstructed("counting")
    with pytest.raises(PluginError, match="reconstructions of Spoilt"):
        _ = found.reconstructions
    found.close()


def test_a_later_chunk_that_is_no_image_is_not_measured_either(digits):
    class Late(Sampler):
        def sample(self, n, **how):
            return super().sample(n, **how) * (float("nan") if len(self.asked) > 2 else 1)

    with pytest.raises(PluginError, match="not finite"):
        drawn(96, 32, model=Late(digits.info()))
