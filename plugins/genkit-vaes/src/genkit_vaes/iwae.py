"""Importance weighted autoencoder: trained on a bound with several samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge
from torch import Tensor

from genkit.models import Batch, Preset, Step
from genkit.models.vae import importance_bound
from genkit_vaes.vae import DenseVAE, DenseVAEOptions


@dataclass
class IWAEOptions(DenseVAEOptions):
    """``importance_samples``: K of the training bound; with 1 it is the VAE's ELBO."""

    likelihood: Literal["gaussian", "bernoulli"] = "bernoulli"
    importance_samples: Annotated[int, Ge(1)] = 5

    def __post_init__(self) -> None:
        if self.kl_warmup:
            raise ValueError("the bound of iwae has no KL term to warm up: leave kl_warmup out")


class IWAE(DenseVAE):
    """The networks of ``vae``, trained on ``-log 1/K sum_k p(x, z_k) / q(z_k | x)`` (arXiv:1509.00519)."""

    Options = IWAEOptions
    presets = {
        "digits": Preset(images=300_000, batch=64),
        "mnist": Preset(images=2_400_000, batch=128),
        "default": Preset(images=1_000_000, batch=128),
        "gpu": Preset(images=20_000_000, batch=256, options={"importance_samples": 50, "latent": 50}),
    }

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return minus the batch's mean importance-weighted bound in nats; log it as ``bound``."""
        observed = self.likelihood.observe(batch.images, step.generator)
        noise = self.noise(len(batch), self.options.importance_samples, generator=step.generator)
        bound = importance_bound(self.log_weights(observed, noise)).mean()
        step.log(bound=bound)
        return -bound
