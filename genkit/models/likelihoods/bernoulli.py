"""Binary pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

Binarisation = Literal["dynamic", "static"]


@dataclass(frozen=True)
class Bernoulli:
    """Binary pixels with logits ``params``; grey images are binarised first.

    "dynamic" draws each pixel anew with its grey level as probability, "static" thresholds at 1/2. (Cross-entropy with
    grey levels as targets is not a log-likelihood.)
    """

    binarisation: Binarisation = "dynamic"
    name: ClassVar[str] = "bernoulli"
    parameters: ClassVar[int] = 1
    kl_weight: ClassVar[float] = 1.0

    def observe(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return binary images; for "dynamic" without a generator their expectation, the grey images."""
        if self.binarisation == "static":
            return (images >= 0.5).to(images.dtype)
        if generator is None:
            return images
        draws = torch.rand(images.shape, generator=generator, device=images.device, dtype=images.dtype)
        return (draws < images).to(images.dtype)

    def log_prob(self, params: Tensor, images: Tensor) -> Tensor:
        """Return the log-probability [N] of binary images."""
        return -self.distortion(params, images)

    def distortion(self, params: Tensor, images: Tensor) -> Tensor:
        """Return the negative log-probability [N]."""
        return binary_cross_entropy_with_logits(params, images, reduction="none").flatten(1).sum(1)

    def mean(self, params: Tensor) -> Tensor:
        """Return the probability of a 1, per pixel."""
        return params.sigmoid()
