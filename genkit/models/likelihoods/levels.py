"""Probabilities of the data's grey levels: a logistic, a mixture of logistics, or a categorical distribution.

All three are probabilities of the same thing and share a name, so their bounds can be compared. The channels of a pixel
are independent given the latent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus


@dataclass(frozen=True)
class OfLevels:
    """Base of likelihoods of grey levels: ``levels`` evenly spaced values from 0 to 1."""

    levels: int = 256
    binarisation: ClassVar[str] = "none"
    kl_weight: ClassVar[float] = 1.0

    @property
    def name(self) -> str:
        """Probability of grey levels: comparable only for the same number of levels."""
        return f"discretized-{self.levels}"

    def observe(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return images with every pixel rounded to the nearest level, the centre of its bin."""
        return images.mul(self.levels - 1).round().div(self.levels - 1)

    def log_prob(self, params: Tensor, images: Tensor) -> Tensor:
        """Return the log-probability [N] of the levels."""
        raise NotImplementedError

    def distortion(self, params: Tensor, images: Tensor) -> Tensor:
        """Return the negative log-probability [N]."""
        return -self.log_prob(params, images)


@dataclass(frozen=True)
class DiscretizedLogistic(OfLevels):
    """A logistic density integrated over the bin of each grey level (arXiv:1606.04934, 1701.05517).

    The outermost bins are open, so the probabilities sum to 1. ``params`` holds C locations per pixel (0 is mid-grey),
    then C raw log-scales.
    """

    parameters: ClassVar[int] = 2

    def log_prob(self, params: Tensor, images: Tensor) -> Tensor:
        """Return the log-probability [N] of the levels."""
        location, log_scale = self._unpack(params)
        return log_bin(images, location, log_scale, self.levels).flatten(1).sum(1)

    def mean(self, params: Tensor) -> Tensor:
        """Return the expectation of the logistic clipped to [0, 1]: the expected level to within half a level."""
        return clipped_mean(*self._unpack(params))

    @staticmethod
    def _unpack(params: Tensor) -> tuple[Tensor, Tensor]:
        """Return locations and bounded log-scales."""
        location, raw = params.chunk(2, dim=1)
        return location + 0.5, bounded_log_scale(raw)


@dataclass(frozen=True)
class DiscretizedLogisticMixture(OfLevels):
    """A mixture of discretised logistics for each pixel and channel, as in PixelCNN++ (arXiv:1701.05517).

    Unlike there, the channels of a pixel are independent given the latent: each has its own mixture. ``params`` holds
    C * ``components`` mixture logits, as many locations, and as many raw log-scales. Locations are relative to points
    evenly spread over [0, 1], one per component: components with equal initial values would stay equal.
    """

    components: int = 5

    @property
    def parameters(self) -> int:
        """A logit, a location and a log-scale for each component."""
        return 3 * self.components

    def log_prob(self, params: Tensor, images: Tensor) -> Tensor:
        """Return the log-probability [N] of the levels."""
        log_weights, location, log_scale = self._unpack(params)
        log_p = log_bin(images[:, None], location, log_scale, self.levels)
        return torch.logsumexp(log_weights + log_p, dim=1).flatten(1).sum(1)

    def mean(self, params: Tensor) -> Tensor:
        """Return the expectation of the mixture clipped to [0, 1]: the expected level to within half a level."""
        log_weights, location, log_scale = self._unpack(params)
        return (log_weights.exp() * clipped_mean(location, log_scale)).sum(1).clamp(0, 1)

    def _unpack(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-weights, locations and log-scales, each [N, components, C, H, W]."""
        logits, location, raw = (part.unflatten(1, (self.components, -1)) for part in params.chunk(3, dim=1))
        centres = torch.arange(self.components, dtype=params.dtype, device=params.device).add(0.5) / self.components
        return logits.log_softmax(1), location + centres.reshape(-1, 1, 1, 1), bounded_log_scale(raw)


@dataclass(frozen=True)
class Categorical(OfLevels):
    """A categorical distribution over grey levels, without any order: ``params`` holds ``levels`` * C logits."""

    @property
    def parameters(self) -> int:
        """One logit for each level."""
        return self.levels

    def log_prob(self, params: Tensor, images: Tensor) -> Tensor:
        """Return the log-probability [N] of the levels."""
        log_p = self._unpack(params)
        index = images.mul(self.levels - 1).round().long()[:, None]
        return log_p.gather(1, index).flatten(1).sum(1)

    def mean(self, params: Tensor) -> Tensor:
        """Return the expected level."""
        grid = torch.linspace(0, 1, self.levels, dtype=params.dtype, device=params.device)
        return (self._unpack(params).exp() * grid.reshape(-1, 1, 1, 1)).sum(1)

    def _unpack(self, params: Tensor) -> Tensor:
        """Return log-probabilities [N, levels, C, H, W]."""
        log_p: Tensor = params.unflatten(1, (self.levels, -1)).log_softmax(1)
        return log_p


def log_bin(images: Tensor, location: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """Return the log-probability of each pixel's bin under a logistic, elementwise; the outermost bins are open.

    With sigmoid s and bin edges l < u, log(s(u) - s(l)) = log s(u) + log s(-l) + log(1 - e^(l - u)): nothing cancels,
    and nothing is clamped.
    """
    half = 0.5 / (levels - 1)
    inverse = (-log_scale).exp()
    upper, lower = (images + half - location) * inverse, (images - half - location) * inverse
    black, white = images < half, images > 1 - half
    inside = torch.log(-torch.expm1(-2 * half * inverse))
    log_p = torch.where(white, 0.0, logsigmoid(upper)) + torch.where(black, 0.0, logsigmoid(-lower))
    return log_p + torch.where(black | white, 0.0, inside)


def clipped_mean(location: Tensor, log_scale: Tensor) -> Tensor:
    """Return the expectation of a logistic clipped to [0, 1], elementwise."""
    scale = log_scale.exp()
    return (1 - scale * (softplus((1 - location) / scale) - softplus(-location / scale))).clamp(0, 1)


def bounded_log_scale(raw: Tensor) -> Tensor:
    """Return log-scales bounded to (-7, 3), so that no scale collapses onto a single level."""
    return 5 * torch.tanh(raw / 5) - 2
