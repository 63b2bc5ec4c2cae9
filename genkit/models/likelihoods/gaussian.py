"""A Gaussian density per pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gaussian:
    """N(params, variance): a density per pixel; ``variance`` is a positive number, or a scalar tensor if fitted."""

    variance: float | Tensor
    name: ClassVar[str] = "gaussian"
    binarisation: ClassVar[str] = "none"
    parameters: ClassVar[int] = 1

    @property
    def kl_weight(self) -> float:
        """The variance: alpha in ``.5 sum (x - x')^2 + alpha KL``."""
        return float(self.variance)

    def observe(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the images themselves."""
        return images

    def log_prob(self, params: Tensor, images: Tensor) -> Tensor:
        """Return log N(images; params, variance) [N]."""
        variance = torch.as_tensor(self.variance, dtype=params.dtype, device=params.device)
        constant = 0.5 * params[0].numel() * (math.log(2 * math.pi) + variance.log())
        return -self.distortion(params, images) / variance - constant

    def distortion(self, params: Tensor, images: Tensor) -> Tensor:
        """Return half the squared error [N], summed (not averaged) over pixels."""
        return 0.5 * (images - params).square().flatten(1).sum(1)

    def mean(self, params: Tensor) -> Tensor:
        """Return the decoder's output."""
        return params
