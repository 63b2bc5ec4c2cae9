"""Per-channel normalisation of networks that were trained on photographs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

Colour = tuple[float, float, float]


class Normalisation(NamedTuple):
    """Mean and standard deviation of red, green and blue over the training images, levels in [0, 1]."""

    mean: Colour
    std: Colour


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def normalised(images: Tensor, how: Normalisation) -> Tensor:
    """Return images [N, 1 or 3, H, W] of levels 0 .. 255 as normalised [N, 3, H, W]; grey is repeated."""
    mean, std = (torch.tensor(part, device=images.device)[:, None, None] for part in how)
    return (images / 255 - mean) / std
