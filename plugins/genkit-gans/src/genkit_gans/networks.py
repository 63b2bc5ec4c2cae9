"""Network pieces that the convolutional GANs share."""

from __future__ import annotations

import math

from torch import Tensor, nn


class Crop(nn.Module):
    """Cut images to a height and width: for sizes that doubling does not meet."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, images: Tensor) -> Tensor:
        """Return [N, C, height, width]."""
        return images[:, :, : self.height, : self.width]


def stages(height: int, width: int) -> tuple[int, int, int]:
    """Return how often an image is halved, and the height and width that are left, rounded up.

    At least twice, then down to 4 to 7 pixels: 8 -> 2, 28 -> 7, 32 -> 4.
    """
    count = max(2, int(math.log2(max(min(height, width), 4) / 4)))
    return count, math.ceil(height / 2**count), math.ceil(width / 2**count)


def normal_init(module: nn.Module) -> None:
    """Draw convolutions from N(0, 0.02) and normalisation scales from N(1, 0.02); for ``Module.apply`` (1511.06434)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
