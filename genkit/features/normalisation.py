"""Per-channel normalisation for networks that were trained on photographs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

Colour = tuple[float, float, float]


class Normalisation(NamedTuple):
    """Mean and standard deviation of each channel over the training images, pixels in [0, 1]."""

    mean: Colour
    std: Colour


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def normalised(images: Tensor, normalisation: Normalisation) -> Tensor:
    """Return normalised [N, 3, H, W] of images [N, 1 or 3, H, W] in 0 .. 255; grey is repeated."""
    mean, std = (torch.tensor(part, device=images.device)[:, None, None] for part in normalisation)
    return (images / 255 - mean) / std
