"""Observation models p(x | z): what a decoder's output means, with exact log-probabilities in nats.

Values of different ``name`` or ``binarisation`` are about different things (a density, the probability of a grey
level, the probability of a binary image) and are never compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

Binarisation = Literal["dynamic", "static"]


class Likelihood(Protocol):
    """An observation model of images [N, C, H, W] given a decoder's output [N, parameters * C, H, W]."""

    @property
    def name(self) -> str:
        """What kind of log-probability ``log_prob`` is."""

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


@dataclass(frozen=True)
class Gaussian:
    """N(params, variance): a density per pixel; ``variance`` is a positive number, or a scalar tensor if fitted."""

    variance: float | Tensor
    name: ClassVar[str] = "gaussian"
    binarisation: ClassVar[str] = "none"
    parameters: ClassVar[int] = 1

    @property
    def kl_weight(self) -> float:
        """The observation variance: alpha in ``.5 sum (x - x')^2 + alpha KL``."""
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
        """Return half the sum of squared errors [N]: summed, not averaged, over pixels."""
        return 0.5 * (images - params).square().flatten(1).sum(1)

    def mean(self, params: Tensor) -> Tensor:
        """Return the decoder's output."""
        return params


@dataclass(frozen=True)
class Bernoulli:
    """Binary pixels with logits ``params``; grey images are made binary first.

    "dynamic" draws each pixel anew with its grey level as probability, "static" thresholds at one half. (A cross
    entropy with grey levels is not the log-likelihood of anything.)
    """

    binarisation: Binarisation = "dynamic"
    name: ClassVar[str] = "bernoulli"
    parameters: ClassVar[int] = 1
    kl_weight: ClassVar[float] = 1.0

    def observe(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return images of zeros and ones; with "dynamic" and no generator their expectation, the grey images."""
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
        """Return the probability of a one."""
        return params.sigmoid()


@dataclass(frozen=True)
class DiscretizedLogistic:
    """Logistic density integrated over each grey level's bin, the outermost bins open: sums to 1 over the levels.

    ``params`` holds C locations (0 is mid-grey) and C raw log-scales per pixel (arXiv:1606.04934, 1701.05517).
    """

    levels: int = 256
    binarisation: ClassVar[str] = "none"
    parameters: ClassVar[int] = 2
    kl_weight: ClassVar[float] = 1.0

    @property
    def name(self) -> str:
        """Probability of grey levels: comparable only for the same number of levels."""
        return f"discretized-logistic-{self.levels}"

    def observe(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the images with each pixel on the nearest of the levels, where the bins are centred."""
        return images.mul(self.levels - 1).round().div(self.levels - 1)

    def log_prob(self, params: Tensor, images: Tensor) -> Tensor:
        """Return the log-probability [N] of the levels."""
        location, log_scale = self._unpack(params)
        half = 0.5 / (self.levels - 1)
        inverse = (-log_scale).exp()
        upper, lower = (images + half - location) * inverse, (images - half - location) * inverse
        # log(s(u) - s(l)) = log s(u) + log s(-l) + log(1 - e^(l - u)): no cancellation, no clamp.
        black, white = images < half, images > 1 - half
        inside = torch.log(-torch.expm1(-2 * half * inverse))
        log_p = torch.where(white, 0.0, logsigmoid(upper)) + torch.where(black, 0.0, logsigmoid(-lower))
        return (log_p + torch.where(black | white, 0.0, inside)).flatten(1).sum(1)

    def distortion(self, params: Tensor, images: Tensor) -> Tensor:
        """Return the negative log-probability [N]."""
        return -self.log_prob(params, images)

    def mean(self, params: Tensor) -> Tensor:
        """Return the expectation of the logistic clipped to [0, 1]: the expected level to within half a level."""
        location, log_scale = self._unpack(params)
        scale = log_scale.exp()
        return (1 - scale * (softplus((1 - location) / scale) - softplus(-location / scale))).clamp(0, 1)

    @staticmethod
    def _unpack(params: Tensor) -> tuple[Tensor, Tensor]:
        """Return locations, and log-scales bounded to (-7, 3): no scale collapses on the data's grid."""
        location, raw = params.chunk(2, dim=1)
        return location + 0.5, 5 * torch.tanh(raw / 5) - 2
