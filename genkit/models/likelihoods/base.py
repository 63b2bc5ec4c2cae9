"""What every observation model offers."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Likelihood(Protocol):
    """An observation model of images [N, C, H, W] given a decoder's output [N, parameters * C, H, W]."""

    @property
    def name(self) -> str:
        """What kind of log-probability ``log_prob`` is: a density, or the probability of so many grey levels."""

    @property
    def binarisation(self) -> str:
        """How images are made binary before they are modelled, or "none"."""

    @property
    def parameters(self) -> int:
        """How many numbers describe one pixel: the decoder has this many output channels per image channel."""

    @property
    def kl_weight(self) -> float:
        """The factor on KL that goes with ``distortion``."""

    def observe(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return what is modelled of images in [0, 1]; without a generator its expected value, where it is random."""

    def log_prob(self, params: Tensor, images: Tensor) -> Tensor:
        """Return log p(images) [N] in nats with all constants; ``images`` were observed."""

    def distortion(self, params: Tensor, images: Tensor) -> Tensor:
        """Return the training loss's reconstruction term [N]: ``distortion + kl_weight * KL`` is minimised.

        It is ``kl_weight`` times the negative bound, up to a constant.
        """

    def mean(self, params: Tensor) -> Tensor:
        """Return the expected image [N, C, H, W]."""
