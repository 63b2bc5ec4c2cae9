"""Places of slots: rotary positions of two dimensions, and which slot may see which."""

from __future__ import annotations

import torch
from torch import Tensor

ROTARY_BASE = 100.0  # for grids of up to 16 x 16

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines [slots, head size / 2]."""


def rotation(coordinates: Tensor, size: int) -> Rotation:
    """Return cosines and sines [slots, size / 2]: a quarter of the angles by row and by column at each frequency."""
    frequencies = ROTARY_BASE ** -(torch.arange(size // 4) / (size // 4))
    angles = (coordinates[:, :, None] * frequencies).flatten(1)
    return angles.cos(), angles.sin()


def rotate(vectors: Tensor, turn: Rotation) -> Tensor:
    """Rotate pairs of numbers of vectors [..., S, heads, size] by a rotation [S, 1, size / 2]."""
    (cosine, sine), (one, other) = turn, vectors.chunk(2, -1)
    return torch.cat([one * cosine - other * sine, one * sine + other * cosine], -1)


def causal(slots: int, device: torch.device) -> Tensor:
    """Return the mask [slots, slots] by which each slot sees those before it and itself."""
    return torch.ones(slots, slots, dtype=torch.bool, device=device).tril()


def grid_coordinates(rows: int, columns: int) -> Tensor:
    """Return the row and column [1 + rows * columns, 2] of the condition, (0, 0), and of a grid's places in order."""
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).reshape(-1, 2)
    return torch.cat([torch.zeros(1, 2), places])
