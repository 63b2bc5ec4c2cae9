"""A small VDVAE: a hierarchy of latents, from a single pixel up to the resolution of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from genkit.models import VAE, DataInfo, Phase, Preset
from genkit.models.precision import full_precision
from genkit_vaes.hierarchy import BottomUp, Descent, TopDown
from genkit_vaes.pixels import PixelOptions, likelihood_of


@dataclass
class HVAEOptions(PixelOptions):
    """``latent``: channels of each layer's latent; ``layers``: stochastic layers per grid; ``width``: channels.

    ``skip_above``: updates with a larger gradient norm, in nats per pixel and channel, are skipped.
    """

    likelihood: Literal["logistic", "mixture", "categorical", "bernoulli"] = "mixture"
    latent: Annotated[int, Ge(1)] = 4
    layers: Annotated[int, Ge(1)] = 1
    width: Annotated[int, Ge(2)] = 32
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    skip_above: Annotated[float, Gt(0)] = 100.0


class HVAE(VAE):
    """Very deep VAE (arXiv:2011.10650), with fewer layers: ``-log p(x | z) + sum_l KL(q_l | p_l)``.

    q_l and p_l both depend on the latents of the layers above. ``encode`` returns and ``decode`` takes the latents of
    all layers [N, latent], standardised: (z_l - mean of p_l) / standard deviation of p_l. Their prior is N(0, 1), their
    posterior has no closed form, so there is neither ``posterior`` nor ``kl``.
    """

    Options = HVAEOptions
    ema = ("encoder", "decoder")
    posterior = None  # type: ignore[assignment]
    kl = None  # type: ignore[assignment]
    decoder: TopDown
    presets = {
        "digits": Preset(images=150_000, batch=64, options={"learning_rate": 2e-3}),
        "mnist": Preset(images=300_000, batch=64, options={"width": 16, "learning_rate": 2e-3}),
        "default": Preset(images=300_000, batch=64, options={"width": 16, "learning_rate": 2e-3}),
        "gpu": Preset(images=10_000_000, batch=128, options={"width": 128, "latent": 8, "layers": 4, "mixtures": 10}),
    }

    def __init__(self, options: HVAEOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.learning_rate = options.learning_rate
        self.likelihood = likelihood_of(options, data)
        self.encoder = BottomUp(data.shape, options.width)
        outputs = self.likelihood.parameters * data.shape[0]
        self.decoder = TopDown(self.encoder.sizes, options.width, options.latent, options.layers, outputs)
        self.latent = self.decoder.latent

    def phases(self) -> list[Phase]:
        """Return the one phase, with a warm-up over 5,000 images; updates with an exploding gradient are skipped."""
        adam = torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=True)
        channels, height, width = self.data.shape
        limit = self.options.skip_above * channels * height * width
        return [Phase("vae", self, adam, skip_above=limit, schedule=lambda step: min(1.0, step.images_seen / 5000))]

    def terms(self, observed: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return distortion and the sum of all layers' KL [N] at one draw of the posterior."""
        descent = self._infer(observed, noise)
        with full_precision(noise.device):
            return self.likelihood.distortion(descent.output, observed), descent.kl

    def log_weights(self, observed: Tensor, noise: Tensor) -> Tensor:
        """Return log p(x, z) - log q(z | x) [N, K] at posterior draws, reparameterised from noise [N, K, latent]."""
        n, k = noise.shape[:2]
        repeated = observed.repeat_interleave(k, dim=0)
        descent = self._infer(repeated, noise.flatten(0, 1))
        with full_precision(noise.device):
            return (self.likelihood.log_prob(descent.output, repeated) + descent.log_ratio).reshape(n, k)

    def encode(self, images: Tensor) -> Tensor:
        """Return latents [N, latent] with every layer at the mean of its posterior, given the layers above."""
        noise = torch.zeros(len(images), self.latent, device=images.device, dtype=images.dtype)
        return self._infer(self.likelihood.observe(images), noise).latent

    def _infer(self, observed: Tensor, noise: Tensor) -> Descent:
        return self.decoder.descend(noise, self.encoder(observed))
