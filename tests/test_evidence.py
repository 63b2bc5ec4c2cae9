"""Evidence: full chunks cut after sampling, chunk seeds, eval mode, one pass for all metrics."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from genkit.evidence import Evidence, ModelSamples, SplitSamples
from genkit.model import DataInfo, GenerativeModel

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
    return torch.cat(list(samples)).numpy()


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
    images = torch.cat(list(SplitSamples(digits.test, 100, 32, 0))).numpy()
    everything = digits.test.uint8(slice(None))
    assert len(images) == 100
    assert not np.array_equal(images, everything[:100])
    keys = {image.tobytes() for image in everything}
    assert all(image.tobytes() in keys for image in images)


class Counting:
    """An extractor that counts the images it sees."""

    name, sha256, has_logits = "counting", "0" * 64, True

    def __init__(self):
        self.seen = 0

    def __call__(self, images):
        assert images.dtype == torch.uint8
        self.seen += len(images)
        flat = images.reshape(len(images), -1).float()
        return SimpleNamespace(features=flat, logits=flat[:, :3])


def evidence(digits, model=None):
    samples = ModelSamples(model or Sampler(digits.info()), 100, 32, 0, CPU)
    return Evidence(samples, lambda: None, digits.test, Counting(), model, CPU)


def test_all_metrics_share_one_pass_over_the_samples(digits):
    shared = evidence(digits)
    assert shared.generated is shared.generated
    assert shared.generated.logits.shape == (100, 3)
    matched = shared.matched(40)
    assert len(matched.generated.features) == 40
    assert shared.extractor.seen == 100


class Likely(Sampler):
    """Reconstructs by halving; its likelihood is the mean pixel plus a draw."""

    def reconstruct(self, images):
        return images * 0.5

    def log_likelihood(self, images, *, generator, importance_samples=1):
        return images.flatten(1).mean(1) + importance_samples + torch.rand(len(images), generator=generator)


def test_reconstructions_are_of_the_whole_test_split(digits):
    found = evidence(digits, Likely(digits.info()))
    np.testing.assert_allclose(found.test_images, digits.test.images(slice(None)).numpy())
    np.testing.assert_allclose(found.reconstructions, found.test_images * 0.5)
    found.close()


def test_likelihoods_keep_the_last_partial_batch_and_are_computed_once(digits):
    found = evidence(digits, Likely(digits.info()))
    bound = found.log_likelihood(1)
    assert bound.shape == (len(digits.test),)
    assert found.log_likelihood(1) is bound
    again = evidence(digits, Likely(digits.info())).log_likelihood(1)
    np.testing.assert_array_equal(bound, again)
    assert found.log_likelihood(5).mean() > bound.mean() + 3
