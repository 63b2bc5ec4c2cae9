"""VAE with a VampPrior: the prior is a mixture of the posteriors of learned pseudo-inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from genkit.models import DataInfo, Preset, Step
from genkit.models.losses import gaussian_log_prob
from genkit.models.vae import LearnedPriorVAE
from genkit_vaes.conv_vae import ConvVAE, ConvVAEOptions
from genkit_vaes.splits import random_images

if TYPE_CHECKING:
    from genkit.data import Split


@dataclass
class VampVAEOptions(ConvVAEOptions):
    """``pseudo_inputs``: components of the prior."""

    pseudo_inputs: Annotated[int, Ge(1)] = 500


class VampVAE(LearnedPriorVAE, ConvVAE):
    """A VAE with a mixture of posteriors as prior (arXiv:1705.07120): ``-log p(x | z) + log q(z | x) - log p(z)``.

    p(z) = 1/K sum_k q(z | u_k) with learned images u_k, initialised from training images.
    """

    Options = VampVAEOptions
    presets = {
        "digits": Preset(images=150_000, batch=64, options={"latent": 16, "pseudo_inputs": 100}),
        "mnist": Preset(images=300_000, batch=128, options={"width": 16, "pseudo_inputs": 200}),
        "default": Preset(images=300_000, batch=128, options={"latent": 64, "width": 16, "pseudo_inputs": 200}),
        "gpu": Preset(images=10_000_000, batch=256, options={"latent": 128, "width": 64, "pseudo_inputs": 1000}),
    }

    def __init__(self, options: VampVAEOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.pseudo_logits = nn.Parameter(torch.randn(options.pseudo_inputs, *data.shape))

    def prepare_stage(self, stage: int, train_data: Split, step: Step) -> None:
        """Initialise the pseudo-inputs with random training images."""
        images = random_images(train_data, len(self.pseudo_logits), step.generator)
        with torch.no_grad():
            self.pseudo_logits.copy_(images.clamp(0.02, 0.98).logit())  # the logits of 0 and 1 are infinite

    def log_prior(self, latent: Tensor) -> Tensor:
        """Return log 1/K sum_k q(z | u_k) [...] of latents [..., latent]."""
        log_q = gaussian_log_prob(latent.unsqueeze(-2), *self._components())
        return torch.logsumexp(log_q, dim=-1) - math.log(len(self.pseudo_logits))

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw latents [n, latent], each from the posterior of a random pseudo-input."""
        mean, log_variance = self._components()
        chosen = torch.randint(len(mean), (n,), generator=generator, device=self.device)
        return mean[chosen] + (0.5 * log_variance[chosen]).exp() * self.noise(n, generator=generator)

    def _components(self) -> tuple[Tensor, Tensor]:
        """Return the pseudo-inputs' posterior means and log-variances, each [K, latent]."""
        return self.moments(self.pseudo_logits.sigmoid())
