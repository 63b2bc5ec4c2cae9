"""Network pieces that the convolutional GANs share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import Tensor, nn

from genkit.gan import GANOptions

Shape = tuple[int, int, int]
"""Of an image: channels, height, width."""


@dataclass
class ConvOptions(GANOptions):
    """``width``: channels at the finest resolution, doubled with every halving."""

    width: Annotated[int, Ge(1)] = 64


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


def widths(width: int, count: int) -> list[int]:
    """Return a generator's channels from coarse to fine, ``width`` at last, for ``count`` doublings of the size."""
    return [width << (count - 1), *(width << i for i in reversed(range(count)))]


def padded(height: int, width: int) -> nn.ZeroPad2d:
    """Return the padding to a size that halves evenly: halving rounds down, and would leave border pixels unseen."""
    count, rows, columns = stages(height, width)
    return nn.ZeroPad2d((0, (columns << count) - width, 0, (rows << count) - height))


def normal_init(module: nn.Module) -> None:
    """Draw convolutions from N(0, 0.02) and normalisation scales from N(1, 0.02); for ``Module.apply`` (1511.06434)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
