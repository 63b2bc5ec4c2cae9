"""Layers and initialisations that the convolutional GANs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import nn

from genkit.models import layers
from genkit.models.gan import GANOptions

Shape = tuple[int, int, int]
"""Of an image: channels, height, width."""


@dataclass
class ConvOptions(GANOptions):
    """``width``: channels at the finest resolution, doubled with every halving."""

    width: Annotated[int, Ge(1)] = 64


def halvings(height: int, width: int) -> tuple[int, int, int]:
    """Return how often an image is halved, at least twice, and the height and width that remain: 8 -> 2, 28 -> 7."""
    return layers.halvings(height, width, least=2)


def widths(width: int, count: int) -> list[int]:
    """Return a generator's channels from coarse to fine, ``width`` at the end, for ``count`` doublings of the size."""
    return [width << (count - 1), *(width << i for i in reversed(range(count)))]


def padded(height: int, width: int) -> nn.ZeroPad2d:
    """Return the padding to a size that halves evenly; strided layers would otherwise drop border pixels."""
    count, rows, columns = halvings(height, width)
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
