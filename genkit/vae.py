"""What every VAE shares: the loss, the bound on the log-likelihood, reconstruction and sampling.

A subclass sets two networks, its latent size and its observation model; the rest is here:

    class MyVAE(VAE):
        def __init__(self, options: MyOptions, data: DataInfo) -> None:
            super().__init__(options, data)
            self.latent = options.latent
            self.likelihood = DiscretizedLogistic(data.levels)
            self.encoder = ...  # images [N, C, H, W] -> [N, 2 * latent]: mean, then log-variance (bounded here)
            self.decoder = ...  # latent [N, latent] -> likelihood parameters [N, parameters * C, H, W]
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from genkit.likelihoods import Likelihood
from genkit.losses import gaussian_kl
from genkit.model import Batch, GenerativeModel, Phase, Step
from genkit.precision import full, promoted

LOG_VARIANCE_BOUND = 10.0
DECODED_AT_ONCE = 4096
"""Images that the decoder makes in one pass of a many-sample bound: bounds the memory, whatever K is."""


class VAE(GenerativeModel):
    """Base of every VAE with a diagonal Gaussian posterior and a standard normal prior (arXiv:1312.6114)."""

    encoder: nn.Module
    decoder: nn.Module
    likelihood: Likelihood
    latent: int = 16
    learning_rate: float = 1e-3

    @property
    def observation(self) -> str:  # type: ignore[override]
        """The kind of log-probability that ``log_likelihood`` bounds."""
        return self.likelihood.name

    @property
    def binarisation(self) -> str:  # type: ignore[override]
        """How images are made binary, or "none"."""
        return self.likelihood.binarisation

    def phases(self) -> list[Phase]:
        """Return the one phase: Adam over encoder and decoder."""
        return [Phase("vae", self, torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=True))]

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return the batch's mean of ``distortion + kl_weight * KL``; logs ``rec`` and ``kl``."""
        observed = self.likelihood.observe(batch.images, step.generator)
        mean, log_variance = self.moments(observed)
        noise = torch.randn(mean.shape, generator=step.generator, device=mean.device, dtype=mean.dtype)
        params = self._decode(mean + (0.5 * log_variance).exp() * noise)
        with full(mean.device):
            rec = self.likelihood.distortion(params, observed).mean()
            kl = gaussian_kl(mean, log_variance).mean()
        step.log(rec=rec, kl=kl)
        return rec + self.likelihood.kl_weight * kl

    def moments(self, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Return the posterior's mean and bounded log-variance, each [N, latent], in at least float32."""
        mean, raw = promoted(self.encoder(observed)).chunk(2, dim=1)
        return mean, LOG_VARIANCE_BOUND * torch.tanh(raw / LOG_VARIANCE_BOUND)

    def posterior(self, images: Tensor) -> Distribution:
        """Return q(z | images), a distribution over latents with batch shape [N]."""
        mean, log_variance = self.moments(self.likelihood.observe(images))
        return Independent(Normal(mean, (0.5 * log_variance).exp(), validate_args=False), 1, validate_args=False)

    @torch.no_grad()
    def kl(self, images: Tensor) -> Tensor:
        """Return KL(q(z | image) || N(0, 1)) [N] in nats, summed over the latent."""
        return gaussian_kl(*self.moments(self.likelihood.observe(images)))

    def encode(self, images: Tensor) -> Tensor:
        """Return the posterior's mean [N, latent]."""
        return self.moments(self.likelihood.observe(images))[0]

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw latents [n, latent] from the prior N(0, 1)."""
        return torch.randn(n, self.latent, generator=generator, device=self.device, dtype=self._dtype)

    def decode(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the expected images of latents, clipped to [0, 1]."""
        return self.likelihood.mean(self._decode(latent)).clamp(0, 1)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` images: the decoder's means of latents from the prior, without observation noise."""
        return self.decode(self.draw_latent(n, generator=generator), condition)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the decoder's mean at the posterior's mean."""
        return self.decode(self.encode(images))

    @torch.no_grad()
    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        """Return a stochastic lower bound [N] on log p(images) in nats, all constants included.

        The importance-weighted bound log 1/K sum_k p(x, z_k) / q(z_k | x) (arXiv:1509.00519); with one sample an
        estimate of the ELBO, whatever weight KL had in training. ``observation`` and ``binarisation`` say of what.
        """
        observed, noise = self._draw(images, importance_samples, generator)
        posterior = self.posterior(observed)
        scale = posterior.stddev[:, None]
        latent = posterior.mean[:, None] + scale * noise
        chunk = max(1, DECODED_AT_ONCE // len(images))
        parts = [latent[:, start : start + chunk] for start in range(0, importance_samples, chunk)]
        log_p = torch.cat([self._log_prob(observed, part) for part in parts], dim=1)
        # log p(z) - log q(z | x): the constants of the two Gaussians cancel.
        log_ratio = (0.5 * (noise.square() - latent.square()) + scale.log()).sum(2)
        return torch.logsumexp(log_p + log_ratio, dim=1) - math.log(importance_samples)

    def _draw(self, images: Tensor, samples: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return observed images and noise [N, samples, latent], drawn image by image.

        So an image's draws do not depend on how many images share its batch.
        """
        observed, noise = [], []
        for image in images:
            observed.append(self.likelihood.observe(image, generator))
            noise.append(torch.randn(samples, self.latent, generator=generator, device=image.device, dtype=self._dtype))
        return torch.stack(observed), torch.stack(noise)

    def _log_prob(self, observed: Tensor, latent: Tensor) -> Tensor:
        """Return log p(observed | latent) [N, K] for latents [N, K, latent]."""
        n, k = latent.shape[:2]
        params = self._decode(latent.flatten(0, 1))
        with full(params.device):
            return self.likelihood.log_prob(params, observed.repeat_interleave(k, dim=0)).reshape(n, k)

    def _decode(self, latent: Tensor) -> Tensor:
        """Return the decoder's likelihood parameters, in at least float32."""
        return promoted(self.decoder(latent))

    @property
    def _dtype(self) -> torch.dtype:
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.is_floating_point():
                return tensor.dtype
        return torch.float32
