"""Random images of a split, and functions of all images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from genkit_vaes.splits import map_split, random_images
from torch import Tensor

from genkit.data.dataset import Split

PIXELS = np.arange(2600, dtype=np.uint16).reshape(-1, 1, 1, 1) % 251
SPLIT = Split("train", PIXELS.astype(np.uint8).repeat(4, axis=2), None, 251)
"""Images whose grey level is their index; more than two chunks, the last of them partial."""


def first_chunk(split: Split, function: Callable[[Tensor], Tensor], device: torch.device) -> Tensor:
    """The wrong version: only the first chunk."""
    return function(next(iter(split.chunks(1024))).to(device))


@pytest.mark.parametrize(("collect", "whole"), [(map_split, True), (first_chunk, False)])
def test_every_image_counts_once_and_in_order(collect: Callable[..., Tensor], whole: bool) -> None:
    found = collect(SPLIT, lambda images: images[:, 0, 0, 0] * 250, torch.device("cpu")).round()
    assert torch.equal(found, torch.from_numpy(PIXELS[:, 0, 0, 0].astype(np.float32))) is whole


def test_some_images_are_the_generators_choice_from_all() -> None:
    drawn = [random_images(SPLIT, 500, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert drawn[0].shape == (500, 1, 4, 1)
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert len(drawn[0].unique(dim=0)) > 200
