"""Evidence: each quantity is computed once, and shared by all metrics of an evaluation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from evidences import Counting, Sampler, drawn, made

from genkit.errors import PluginError
from genkit.metrics import Evidence


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))


class Likely(Sampler):
    """Reconstructs by halving; its likelihood is the mean pixel plus a draw."""

    def reconstruct(self, images):
        return images * 0.5

    def log_likelihood(self, images, *, generator, importance_samples=1):
        return images.flatten(1).mean(1) + importance_samples + torch.rand(len(images), generator=generator)


class Careless(Likely):
    """Draws from the global generator, which it should not."""

    def log_likelihood(self, images, *, generator, importance_samples=1):
        return torch.rand(len(images))


def test_all_metrics_and_extractors_share_one_pass_over_the_samples(digits):
    one, other = Counting("one"), Counting("other")
    model = Sampler(digits.info())
    evidence = made(digits, model, one, other)
    for extractor in (one, other):
        whole, few = evidence.of("fid", extractor, 100), evidence.of("fid", extractor, 40)
        assert whole.generated_logits.shape == (100, 3)
        np.testing.assert_array_equal(few.generated_features, whole.generated_features[:40])
    assert one.count == other.count == 100
    assert len(model.sizes) == 4


def test_features_of_test_images_are_extracted_once_for_all_models(digits):
    class Echo(Sampler):
        def reconstruct(self, images):
            return images

    first, second = Counting(), Counting()
    for extractor in (first, second):
        evidence = made(digits, Echo(digits.info()), extractor)
        for metric in ("rfid", "another"):
            view = evidence.of(metric, extractor, 100)
            images, reconstructions = (np.sort(x, axis=0) for x in (view.test_features, view.reconstruction_features))
            np.testing.assert_array_equal(images, reconstructions)
        evidence.close()
    assert (first.count, second.count) == (2 * len(digits.test), len(digits.test))


def test_a_finished_evaluation_keeps_the_reference_and_not_the_samples(digits, tmp_path):
    evidence = made(digits)
    _ = evidence.generated_features, evidence.real_features
    assert len(list((tmp_path / "cache" / "seen").glob("*/*"))) == 2
    evidence.close()
    (kept,) = (tmp_path / "cache" / "seen").glob("*/*")
    assert kept.parent.name == "reference"


def test_the_samples_and_their_labels_are_kept_for_a_metric_that_needs_them(digits):
    model = Sampler(digits.info())
    model.conditional = True
    evidence = made(digits, model, images=True)
    np.testing.assert_array_equal(evidence.generated_images, drawn(100, 32, model=Sampler(digits.info())))
    np.testing.assert_array_equal(evidence.generated_labels, torch.cat(model.labels)[:100])


def test_reconstructions_are_of_the_whole_test_split(digits):
    evidence = made(digits, Likely(digits.info()))
    np.testing.assert_allclose(evidence.test_images, digits.test.images(slice(None)).numpy())
    np.testing.assert_allclose(evidence.reconstructions, evidence.test_images * 0.5)
    evidence.close()


def test_likelihoods_keep_the_last_partial_batch_and_are_computed_once(digits):
    evidence = made(digits, Likely(digits.info()))
    bound = evidence.of("elbo", None, 100).log_likelihood(1)
    assert bound.shape == (len(digits.test),)
    assert evidence.of("nll", None, 100).log_likelihood(1) is bound
    np.testing.assert_array_equal(bound, made(digits, Likely(digits.info())).log_likelihood(1))
    assert evidence.log_likelihood(5).mean() > bound.mean() + 3


def test_a_likelihood_that_draws_globally_still_depends_on_the_evaluation_seed_alone(digits):
    torch.manual_seed(1)
    first = made(digits, Careless(digits.info())).log_likelihood(1)
    torch.manual_seed(2)
    np.testing.assert_array_equal(first, made(digits, Careless(digits.info())).log_likelihood(1))


SPOILT = {
    "NaN": lambda images: images.where(images > 0.5, torch.nan),
    "[-1, 1]": lambda images: images * 2 - 1,
    "levels": lambda images: images * 255,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_invalid_samples_and_reconstructions_are_not_measured(digits, spoil):
    class Spoilt(Sampler):
        def sample(self, n, **options):
            return spoil(super().sample(n, **options))

        def reconstruct(self, images):
            return spoil(images)

    evidence = made(digits, Spoilt(digits.info()))
    with pytest.raises(PluginError, match="samples of Spoilt"):
        _ = evidence.generated_features
    with pytest.raises(PluginError, match="reconstructions of Spoilt"):
        _ = evidence.reconstruction_features
    with pytest.raises(PluginError, match="reconstructions of Spoilt"):
        _ = evidence.reconstructions
    evidence.close()


def test_an_invalid_later_chunk_is_not_measured_either(digits):
    class Late(Sampler):
        def sample(self, n, **options):
            return super().sample(n, **options) * (float("nan") if len(self.sizes) > 2 else 1)

    with pytest.raises(PluginError, match="not finite"):
        drawn(96, 32, model=Late(digits.info()))


def test_what_metrics_share_depends_on_extractor_and_count(digits):
    one, other = Counting("one"), Counting("other")
    evidence, calls = made(digits, None, one, other), []
    for metric, extractor, count in (("a", one, 100), ("b", one, 100), ("a", other, 100), ("a", one, 40)):
        evidence.of(metric, extractor, count).cached("pass", lambda: calls.append(1))
    assert len(calls) == 3


def test_each_metric_has_its_own_parameters(digits):
    evidence = made(digits)
    evidence.metrics = {"nll": {"importance_samples": 64}}
    assert evidence.of("nll", None, 100).parameters == {"importance_samples": 64}
    assert evidence.of("fid", None, 100).parameters == {}
    assert evidence.of("fid", None, 100).parameters_of("nll") == {"importance_samples": 64}
    assert evidence.parameters_of("elbo") is None


def test_features_without_an_extractor_are_the_metrics_mistake(digits):
    with pytest.raises(PluginError, match="metric 'mine' uses features: name features or logits in its spec's needs"):
        _ = made(digits).of("mine", None, 100).real_features


def test_evidence_of_arrays_holds_them_and_nothing_else():
    evidence = Evidence.of_arrays(real_features=np.zeros((3, 2)))
    assert evidence.real_features.shape == (3, 2)
    assert (evidence.parameters, evidence.cached("pass", lambda: 7)) == ({}, 7)
    with pytest.raises(AttributeError):
        _ = evidence.generated_features
