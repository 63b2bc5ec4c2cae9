"""Layers for images whose sides are not powers of two, shared by convolutional models of all families."""

from __future__ import annotations

import math

from torch import Tensor, nn

Size = tuple[int, int]
"""Height and width."""


class Crop(nn.Module):
    """Crop images to a height and width that repeated doubling overshoots."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, images: Tensor) -> Tensor:
        """Return [N, C, height, width]."""
        return images[:, :, : self.height, : self.width]


def halvings(height: int, width: int, *, least: int = 1, most: int = 99) -> tuple[int, int, int]:
    """Return how often an image is halved, and the height and width that remain, rounded up.

    The shorter side is halved down to 4 to 7 pixels (8 -> 4, 28 -> 7, 32 -> 4), ``least`` to ``most`` times.
    """
    count = min(most, max(least, int(math.log2(max(min(height, width), 4) / 4))))
    return count, math.ceil(height / 2**count), math.ceil(width / 2**count)
