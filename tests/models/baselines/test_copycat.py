"""The copycat returns training images and nothing else."""

from __future__ import annotations

import numpy as np
import torch

from genkit.data.dataset import Split
from genkit.models import DataInfo, Step
from genkit.models.baselines.copycat import Copycat, CopycatOptions


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramp(n: int, levels: int = 256) -> Split:
    """Return images of one grey level each, in ascending order."""
    pixels = np.arange(n).astype(np.uint8)[:, None, None, None] * np.ones((1, 3, 4, 4), np.uint8)
    return Split("train", pixels, None, levels)


def prepared(split: Split, keep: int) -> Copycat:
    model = Copycat(CopycatOptions(keep), DataInfo((3, 4, 4), split.levels, num_train=len(split)))
    model.prepare_stage(0, split, Step(0, 0, generator()))
    return model


def test_samples_are_training_images_bit_for_bit() -> None:
    split = ramp(17, levels=17)
    drawn = prepared(split, 100).sample(200, generator=generator())
    originals = {image.numpy().tobytes() for image in split.images(slice(None))}
    assert {image.numpy().tobytes() for image in drawn} == originals


def test_the_kept_images_are_spread_over_sorted_data() -> None:
    assert prepared(ramp(101), 5).images[:, 0, 0, 0].tolist() == [0, 25, 50, 75, 100]


def test_samples_follow_the_generator() -> None:
    model = prepared(ramp(50), 50)
    assert torch.equal(model.sample(9, generator=generator(1)), model.sample(9, generator=generator(1)))
    assert not torch.equal(model.sample(9, generator=generator(1)), model.sample(9, generator=generator(2)))


def test_a_state_loads_into_a_new_model() -> None:
    model = prepared(ramp(50), 20)
    new = Copycat(CopycatOptions(20), model.data)
    new.load_state_dict(model.state_dict())
    assert torch.equal(new.images, model.images)
