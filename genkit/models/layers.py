"""Network pieces for images whose sides are no power of two, which convolutional models of any family share."""

from __future__ import annotations

import math

from torch import Tensor, nn

Size = tuple[int, int]
"""Height and width."""


class Crop(nn.Module):
    """Cut images to a height and width: for sizes that doubling does not meet."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, images: Tensor) -> Tensor:
        """Return [N, C, height, width]."""
        return images[:, :, : self.height, : self.width]


def stages(height: int, width: int, *, least: int = 1, most: int = 99) -> tuple[int, int, int]:
    """Return how often an image is halved, and the height and width that are left, rounded up.

    Down to 4 to 7 pixels of the shorter side, but ``least`` times at least and ``most`` at most: 8 -> 4, 28 -> 7,
    32 -> 4.
    """
    count = min(most, max(least, int(math.log2(max(min(height, width), 4) / 4))))
    return count, math.ceil(height / 2**count), math.ceil(width / 2**count)
