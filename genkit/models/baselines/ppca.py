"""Probabilistic PCA in closed form: a VAE whose posterior and log-likelihood are known exactly.

It calibrates bounds: with the exact posterior, the ELBO of every image equals its log-likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from genkit.data.dataset import DataInfo
from genkit.errors import OptionsError
from genkit.models.base import Phase, Step
from genkit.models.likelihoods import Gaussian
from genkit.models.vae import VAE

if TYPE_CHECKING:
    from genkit.data import Split


@dataclass
class PPCAOptions:
    """``latent``: number of principal components, below the number of pixels."""

    latent: Annotated[int, Ge(1)] = 16


class Affine(nn.Module):
    """The decoder: latent [N, q] -> mean image ``W z + mu`` [N, C, H, W]."""

    weight: Tensor
    mean: Tensor

    def __init__(self, shape: tuple[int, int, int], latent: int) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("weight", torch.zeros(math.prod(shape), latent))
        self.register_buffer("mean", torch.zeros(math.prod(shape)))

    def forward(self, latent: Tensor) -> Tensor:
        """Return the mean images."""
        return (latent @ self.weight.T + self.mean).reshape(-1, *self.shape)


class PPCA(VAE):
    """x ~ N(W z + mu, variance I) with z ~ N(0, 1), fitted by maximum likelihood (Tipping & Bishop 1999).

    Memory grows with the square, time with the cube of the number of pixels. ``posterior_scale`` multiplies the
    posterior's standard deviation: tests set it to check that the ELBO falls.
    """

    Options = PPCAOptions
    decoder: Affine
    posterior_scale: float = 1.0
    variance: Tensor

    def __init__(self, options: PPCAOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        pixels = math.prod(data.shape)
        if options.latent >= pixels:
            raise OptionsError(
                f"option 'latent' is {options.latent}, but must be below the {pixels} pixels of an image"
            )
        self.latent = options.latent
        self.decoder = Affine(data.shape, options.latent)
        self.register_buffer("variance", torch.ones(()))

    @property
    def likelihood(self) -> Gaussian:  # type: ignore[override]
        """The Gaussian observation model with the fitted variance."""
        return Gaussian(self.variance)

    def phases(self) -> list[Phase]:
        """Return no phases: the fit is in closed form."""
        return []

    def prepare_stage(self, stage: int, train_data: Split, step: Step) -> None:
        """Fit mean, weights and variance from the covariance's eigenvectors, in float64.

        The variance is the mean of the discarded eigenvalues, but at least the variance of rounding to the data's
        levels: with constant pixels or few images the discarded eigenvalues are 0, and the density would be unbounded.
        """
        mean, covariance = moments_of(train_data)
        values, vectors = torch.linalg.eigh(covariance)
        floor = (1 / (self.data.levels - 1)) ** 2 / 12
        variance = values[: -self.latent].mean().clamp(min=floor)
        kept = (values[-self.latent :].flip(0) - variance).clamp(min=0).sqrt()
        self.decoder.weight.copy_(vectors[:, -self.latent :].flip(1) * kept)
        self.decoder.mean.copy_(mean)
        self.variance.copy_(variance)

    def moments(self, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Return the exact posterior: W's columns are orthogonal, so W^T W + variance I is diagonal."""
        weight = self.decoder.weight
        precision = weight.square().sum(0) + self.variance
        mean = ((observed.to(weight.dtype).flatten(1) - self.decoder.mean) @ weight) / precision
        log_variance = (self.variance / precision).log() + 2 * math.log(self.posterior_scale)
        return mean, log_variance.expand_as(mean)

    def exact_log_likelihood(self, images: Tensor) -> Tensor:
        """Return log N(images; mu, W W^T + variance I) [N] in nats, by Woodbury's identity, in float64."""
        weight, variance = self.decoder.weight.double(), self.variance.double()
        centred = images.double().flatten(1) - self.decoder.mean.double()
        pixels, latent = weight.shape
        inner = weight.T @ weight + variance * torch.eye(latent, dtype=weight.dtype, device=weight.device)
        factor = torch.linalg.cholesky(inner)
        explained = torch.linalg.solve_triangular(factor, weight.T @ centred.T, upper=False).square().sum(0)
        distance = (centred.square().sum(1) - explained) / variance
        log_det = 2 * factor.diagonal().log().sum() + (pixels - latent) * variance.log()
        log_p: Tensor = -0.5 * (distance + log_det + pixels * math.log(2 * math.pi))
        return log_p


def moments_of(split: Split) -> tuple[Tensor, Tensor]:
    """Return the mean [D] and the maximum-likelihood covariance [D, D] of a split's images, streaming, in float64."""
    total: Tensor | float = 0.0
    products: Tensor | float = 0.0
    shift = split.images(slice(0, 1)).double().flatten(1)
    for images in split.chunks(1024):
        centred = images.double().flatten(1) - shift
        total, products = total + centred.sum(0), products + centred.T @ centred
    mean = torch.as_tensor(total) / len(split)
    return mean + shift[0], torch.as_tensor(products) / len(split) - torch.outer(mean, mean)
