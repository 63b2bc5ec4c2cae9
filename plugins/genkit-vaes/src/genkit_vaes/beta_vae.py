"""beta-VAE: KL with a weight, or held at a growing capacity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from torch import Tensor

from genkit.models import Preset, Step
from genkit_vaes.conv_vae import ConvVAE, ConvVAEOptions


@dataclass
class BetaVAEOptions(ConvVAEOptions):
    """``beta``: weight of KL; ``capacity``: target of KL in nats, reached linearly over ``capacity_images`` images."""

    beta: Annotated[float, Gt(0)] = 4.0
    capacity: Annotated[float, Ge(0)] = 0.0
    capacity_images: Annotated[int, Ge(1)] = 100_000


class BetaVAE(ConvVAE):
    """``rec + beta KL`` (Higgins et al. 2017), or ``rec + beta |KL - C|`` with a capacity C (arXiv:1804.03599).

    ``log_likelihood`` is the ELBO, with beta = 1; the training loss is not a bound.
    """

    Options = BetaVAEOptions
    presets = {
        "digits": Preset(images=150_000, batch=64, options={"latent": 16, "beta": 2.0}),
        "mnist": Preset(images=300_000, batch=64, options={"width": 16}),
        "default": Preset(images=300_000, batch=64, options={"width": 16}),
        "gpu": Preset(images=10_000_000, batch=256, options={"latent": 64, "width": 64}),
    }

    def objective(self, rec: Tensor, kl: Tensor, step: Step) -> Tensor:
        """Return ``rec + beta * kl_weight * |kl - C|``, with C at its value after the images so far."""
        options: BetaVAEOptions = self.options
        capacity = options.capacity * min(1.0, step.images_seen / options.capacity_images)
        return rec + options.beta * self.likelihood.kl_weight * (kl - capacity).abs()
