"""Uniform noise: the worst scores on a board."""

from __future__ import annotations

import torch
from torch import Tensor

from genkit.models.base import GenerativeModel


class Noise(GenerativeModel):
    """Every pixel uniform in [0, 1]; nothing to train."""

    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` images of uniform noise."""
        # The model has no tensors, so its device is unknown.
        return torch.rand(n, *self.data.shape, generator=generator, device=generator.device)
