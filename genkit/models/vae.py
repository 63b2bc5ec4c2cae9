"""Base classes of VAEs: the loss, the bound on the log-likelihood, reconstruction and sampling.

A subclass sets two networks, the size of its latent and its observation model; the rest is here:

    class MyVAE(VAE):
        def __init__(self, options: MyOptions, data: DataInfo) -> None:
            super().__init__(options, data)
            self.latent = options.latent
            self.likelihood = DiscretizedLogistic(data.levels)
            self.encoder = ...  # images [N, C, H, W] -> [N, 2 * latent]: mean, then log-variance (bounded here)
            self.decoder = ...  # latent [N, latent] -> likelihood parameters [N, parameters * C, H, W]

Override ``objective`` to weigh the two terms of the loss differently and ``log_weights`` for another bound; inherit
``LearnedPriorVAE`` for a prior other than N(0, 1).
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from genkit.data.stream import Batch
from genkit.models.base import GenerativeModel, Phase, Step
from genkit.models.likelihoods import Likelihood
from genkit.models.losses import gaussian_kl, gaussian_log_prob
from genkit.models.precision import full_precision, promoted

LOG_VARIANCE_BOUND = 10.0
DECODED_AT_ONCE = 2048
PIXELS_AT_ONCE = 1 << 20
"""Most images, and pixels, per decoder pass of ``log_likelihood``: limits the memory for any K."""


class Autoencoder(GenerativeModel):
    """Base of all autoencoders: a subclass defines ``encode``, ``decode`` and ``draw_latent``."""

    encoder: nn.Module
    decoder: nn.Module

    def encode(self, images: Tensor) -> Tensor:
        """Return the latents of images."""
        raise NotImplementedError

    def decode(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the images of latents, in [0, 1]."""
        raise NotImplementedError

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw ``n`` latents from the prior."""
        raise NotImplementedError

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` images: the decoder's means at latents from the prior, without observation noise."""
        return self.decode(self.draw_latent(n, generator=generator), condition)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the decoder's images of the images' latents."""
        return self.decode(self.encode(images))


class VAE(Autoencoder):
    """Base of every VAE with a diagonal Gaussian posterior and a standard normal prior (arXiv:1312.6114)."""

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
        """Return ``objective`` of the batch's mean distortion and KL; log both unweighted, as ``rec`` and ``kl``.

        With an option ``kl_warmup``, KL's weight rises linearly from 0 over the first so many training images.
        """
        observed = self.likelihood.observe(batch.images, step.generator)
        distortion, divergence = self.terms(observed, self.noise(len(batch), generator=step.generator))
        return self.total(distortion.mean(), divergence.mean(), step)

    def total(self, rec: Tensor, kl: Tensor, step: Step) -> Tensor:
        """Return ``objective`` of the batch's mean distortion and KL, with the warm-up of KL's weight; log both."""
        step.log(rec=rec, kl=kl)
        warmup = getattr(self.options, "kl_warmup", 0)
        if step.images_seen < warmup:
            kl = kl * (step.images_seen / warmup)
        return self.objective(rec, kl, step)

    def objective(self, rec: Tensor, kl: Tensor, step: Step) -> Tensor:
        """Return the loss, ``rec + kl_weight * kl``, given the batch's means of both terms."""
        return rec + self.likelihood.kl_weight * kl

    def terms(self, observed: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return distortion and KL [N] at one draw of each posterior, reparameterised from noise [N, latent]."""
        mean, log_variance = self.moments(observed)
        latent = mean + (0.5 * log_variance).exp() * noise
        params = self._decode(latent)
        with full_precision(mean.device):
            return self.likelihood.distortion(params, observed), self.divergence(latent, mean, log_variance)

    def divergence(self, latent: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return the KL of each posterior from the prior [N] in nats, or an estimate at its draw ``latent``."""
        return gaussian_kl(mean, log_variance)

    def log_prior(self, latent: Tensor) -> Tensor:
        """Return log p(z) [...] of latents [..., latent]: the density that ``draw_latent`` draws from."""
        return -0.5 * (latent.square() + math.log(2 * math.pi)).sum(-1)

    def moments(self, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Return the posterior's mean and bounded log-variance, each [N, latent], in at least float32."""
        mean, raw = promoted(self.encoder(observed)).chunk(2, dim=1)
        return mean, bounded_log_variance(raw)

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
        return self.noise(n, generator=generator)

    def decode(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the expected images of latents, clipped to [0, 1]."""
        return self.likelihood.mean(self._decode(latent)).clamp(0, 1)

    @torch.no_grad()
    def log_likelihood(self, images: Tensor, *, generator: torch.Generator, importance_samples: int = 1) -> Tensor:
        """Return a stochastic lower bound [N] on log p(images) in nats, all constants included.

        The importance-weighted bound log 1/K sum_k p(x, z_k) / q(z_k | x) (arXiv:1509.00519), K importance samples;
        for K = 1 an estimate of the ELBO, whatever the weight of KL in training. ``observation`` and ``binarisation``
        say what it is the probability of.
        """
        rows = max(1, min(DECODED_AT_ONCE, PIXELS_AT_ONCE // images[0].numel()))
        bounds = []
        for group in images.split(max(1, rows // importance_samples)):
            observed, noise = self._draw(group, importance_samples, generator)
            log_weights = torch.cat([self.log_weights(observed, part) for part in noise.split(rows, dim=1)], dim=1)
            bounds.append(importance_bound(log_weights))
        return torch.cat(bounds)

    def log_weights(self, observed: Tensor, noise: Tensor) -> Tensor:
        """Return log p(x, z) - log q(z | x) [N, K] at posterior draws, reparameterised from noise [N, K, latent]."""
        mean, log_variance = (moment[:, None] for moment in self.moments(observed))
        latent = mean + (0.5 * log_variance).exp() * noise
        log_p = self._log_prob(observed, latent)
        with full_precision(mean.device):
            return log_p + self.log_prior(latent) - gaussian_log_prob(latent, mean, log_variance)

    def _draw(self, images: Tensor, samples: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return observed images and noise [N, samples, latent].

        Both are drawn image by image, so an image's draws do not depend on the size of its batch.
        """
        observed, noise = [], []
        for image in images:
            observed.append(self.likelihood.observe(image, generator))
            noise.append(self.noise(samples, generator=generator))
        return torch.stack(observed), torch.stack(noise)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        """Return standard normal noise [*shape, latent]."""
        like = self._like
        return torch.randn(*shape, self.latent, generator=generator, device=like.device, dtype=like.dtype)

    def _log_prob(self, observed: Tensor, latent: Tensor) -> Tensor:
        """Return log p(observed | latent) [N, K] for latents [N, K, latent]."""
        n, k = latent.shape[:2]
        params = self._decode(latent.flatten(0, 1))
        with full_precision(params.device):
            return self.likelihood.log_prob(params, observed.repeat_interleave(k, dim=0)).reshape(n, k)

    def _decode(self, latent: Tensor) -> Tensor:
        """Return the decoder's likelihood parameters, in at least float32."""
        return promoted(self.decoder(latent))

    @property
    def _like(self) -> Tensor:
        """A tensor with the model's device and floating-point type."""
        for tensor in itertools.chain(self.parameters(), self.buffers()):
            if tensor.is_floating_point():
                return tensor
        return torch.empty(0, device=self.device)


class LearnedPriorVAE(VAE):
    """Base of VAEs with another prior: a subclass defines ``log_prior``, and ``draw_latent`` to draw from it.

    KL from such a prior has no closed form. The loss uses log q(z | x) - log p(z) at a draw of the posterior, an
    unbiased estimate. The method ``kl``, exact where it exists, is not offered.
    """

    kl = None  # type: ignore[assignment]

    def divergence(self, latent: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return log q(z | x) - log p(z) [N] at one draw: an unbiased estimate of KL."""
        return gaussian_log_prob(latent, mean, log_variance) - self.log_prior(latent)

    def log_prior(self, latent: Tensor) -> Tensor:
        """Return log p(z) [...] of latents [..., latent]."""
        raise NotImplementedError(f"{type(self).__name__} has no prior")

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw latents [n, latent] from the prior."""
        raise NotImplementedError(f"{type(self).__name__} does not draw from its prior")


def importance_bound(log_weights: Tensor) -> Tensor:
    """Return log 1/K sum_k exp(log_weights) [N] of log-weights [N, K] (arXiv:1509.00519, equation 8)."""
    return torch.logsumexp(log_weights, dim=1) - math.log(log_weights.shape[1])


def bounded_log_variance(raw: Tensor) -> Tensor:
    """Return a log-variance bounded to (-10, 10)."""
    return LOG_VARIANCE_BOUND * torch.tanh(raw / LOG_VARIANCE_BOUND)
