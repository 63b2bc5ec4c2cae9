"""The interface of observation models."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Likelihood(Protocol):
    """An observation model of images [N, C, H, W] given a decoder's output [N, parameters * C, H, W]."""

    @property
    def name(self) -> str:
        """What ``log_prob`` is the logarithm of: a density, or the probability of that many grey levels."""

    @property
    def binarisation(self) -> str:
        """How images are made binary before they are modelled, or "none"."""

    @property
    def parameters(self) -> int:
        """Parameters per pixel: the decoder has this many output channels per image channel."""

    @property
    def kl_weight(self) -> float:
        """The weight of KL in the training loss, ``distortion + kl_weight * KL``."""

    def observe(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the modelled data of images in [0, 1]; where random, its expectation if no generator is given."""

    def log_prob(self, params: Tensor, images: Tensor) -> Tensor:
        """Return log p(images) [N] in nats with all constants; ``images`` come from ``observe``."""

    def distortion(self, params: Tensor, images: Tensor) -> Tensor:
        """Return the reconstruction term [N] of the training loss ``distortion + kl_weight * KL``.

        That loss is ``kl_weight`` times the negative ELBO, up to a constant.
        """

    def mean(self, params: Tensor) -> Tensor:
        """Return the expected image [N, C, H, W]."""
