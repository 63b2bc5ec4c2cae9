"""Samples: full chunks cut after sampling, a seed per chunk, eval mode, subsets of splits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from evidences import Sampler, drawn

from genkit.evaluation.samples import SplitImages


def test_the_last_chunk_is_cut_after_sampling():
    model = Sampler()
    assert len(drawn(70, 32, model=model)) == 70
    assert model.sizes == [32, 32, 32]


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
    images = torch.cat(list(SplitImages(digits.test, 100, 32, 0).chunks())).numpy()
    everything = digits.test.uint8(slice(None))
    assert len(images) == 100
    assert not np.array_equal(images, everything[:100])
    keys = {image.tobytes() for image in everything}
    assert all(image.tobytes() in keys for image in images)
