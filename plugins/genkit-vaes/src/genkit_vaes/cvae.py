"""Conditional VAE: a decoder that is given a class, or what a caption says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from genkit.models import VAE, Batch, Condition, DataInfo, Step
from genkit.models.losses import gaussian_kl_between
from genkit.models.precision import full_precision, promoted
from genkit.models.text import LEFT_OUT, TextOptions, reader_of
from genkit.models.vae import bounded_log_variance
from genkit_vaes.conv_vae import ConvVAE, ConvVAEOptions
from genkit_vaes.networks import conv_decoder, conv_encoder
from genkit_vaes.pixels import likelihood_of

SIZE = 64
"""The size of the vector of a class or caption."""


@dataclass
class CVAEOptions(ConvVAEOptions, TextOptions):
    """ConvVAE's, and ``text``."""


class CVAE(VAE):
    """Conditional VAE, p(x | z, c) of M2 in arXiv:1406.5298 with q(z | x), and conv-vae's networks.

    The loss is ``-log p(x | z, c) + KL(q(z | x) | p(z | c))``; the decoder is given the vector of the class, or the
    mean vector of a caption, beside z. The prior is N(0, 1) for classes and without a caption; that of a caption is a
    Gaussian whose moments are linear in its vector (Sohn et al., 2015, equation 4): what a caption says is in an
    image's latent too, so a decoder learns to do without the words where the prior does not follow them.

    Log-likelihoods sum classes out, p(x | z) = sum_c p(c) p(x | z, c); a model of captions has those of images without
    one. Data with neither has one class.
    """

    Options = CVAEOptions
    conditional: ClassVar[bool] = True
    presets = ConvVAE.presets
    decoder: ConditionalDecoder

    def __init__(self, options: CVAEOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.latent, self.learning_rate = options.latent, options.learning_rate
        self.likelihood = likelihood_of(options, data)
        self.reader = reader_of(self, options.text, SIZE)
        self.encoder = conv_encoder(data.shape, options.width, 2 * options.latent)
        channels = self.likelihood.parameters * data.shape[0]
        decoder = conv_decoder(options.latent + SIZE, options.width, channels, data.shape[1:])
        self.decoder = ConditionalDecoder(decoder, data.num_classes if self.reader is None else 0)
        self.prior = None if self.reader is None else nn.Linear(SIZE, 2 * options.latent, bias=False)

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return ``objective`` of the batch's mean distortion and KL, given its classes or captions."""
        observed = self.likelihood.observe(batch.images, step.generator)
        mean, log_variance = self.moments(observed)
        latent = mean + (0.5 * log_variance).exp() * self.noise(len(batch), generator=step.generator)
        said = batch.labels if self.reader is None else self.reader(batch.prompts or [""] * len(batch))
        left_out = torch.rand(len(batch), 1, generator=step.generator, device=latent.device) < LEFT_OUT
        vectors = torch.where(left_out, self.decoder.anything(len(batch)), self.vectors(said, len(batch)))
        params = promoted(self.decoder(latent, vectors))
        centre, log_spread = self.prior_moments(vectors)
        with full_precision(mean.device):
            rec = self.likelihood.distortion(params, observed).mean()
            kl = gaussian_kl_between(mean, log_variance, centre, log_spread).mean()
        return self.total(rec, kl, step)

    def prior_moments(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance [N, latent] of p(z | c) for the vectors [N, SIZE] of conditions."""
        if self.prior is None:
            nothing = vectors.new_zeros(len(vectors), self.latent)
            return nothing, nothing
        mean, raw = promoted(self.prior(vectors - self.decoder.anything(len(vectors)))).chunk(2, dim=1)
        return mean, bounded_log_variance(raw)

    @torch.no_grad()
    def understand(self, prompts: Sequence[str]) -> Condition:
        """Return what N prompts ask for, to draw with."""
        assert self.reader is not None
        return self.reader(prompts).pooled()  # type: ignore[no-any-return]

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | Condition | None = None) -> Tensor:
        """Draw ``n`` images of labels [n], drawn if left out, or of what prompts say, or of no particular prompt."""
        if condition is None and self.follows_classes:
            frequencies = torch.tensor(self.data.class_frequencies, device=self.device)
            condition = torch.multinomial(frequencies, n, replacement=True, generator=generator)
        return self.decode(self.draw_latent(n, generator=generator), condition)

    def decode(self, latent: Tensor, condition: Tensor | Condition | None = None) -> Tensor:
        """Return the expected images of latents and labels [N] or what prompts say; of anything without.

        Latents are draws of N(0, 1), whatever the prior: a prompt's prior moves and scales them.
        """
        vectors = self.vectors(condition, len(latent))
        centre, log_spread = self.prior_moments(vectors)
        placed = centre + (0.5 * log_spread).exp() * latent
        params = promoted(self.decoder(placed.to(latent.dtype), vectors))
        return self.likelihood.mean(params).clamp(0, 1)

    def vectors(self, condition: Tensor | Condition | None, n: int) -> Tensor:
        """Return the vectors [n, SIZE] of labels [n] or of what prompts say; a prompt without a word says nothing."""
        if isinstance(condition, Condition):
            spoken = condition.mask.any(1, keepdim=True)
            return torch.where(spoken, condition.mean(), self.decoder.anything(n))
        if condition is None or not self.follows_classes:
            return self.decoder.anything(n)
        return self.decoder.classes(condition)  # type: ignore[no-any-return]

    @property
    def follows_classes(self) -> bool:
        """Whether labels are classes of the data."""
        return self.reader is None and self.data.num_classes > 0

    def _log_prob(self, observed: Tensor, latent: Tensor) -> Tensor:
        """Return log p(observed | latent) [N, K] for latents [N, K, latent], classes summed out."""
        n, k = latent.shape[:2]
        flat, repeated = latent.flatten(0, 1), observed.repeat_interleave(k, dim=0)
        each = []
        for vector, log_frequency in self._mixture():
            params = promoted(self.decoder(flat, vector.expand(n * k, -1)))
            with full_precision(params.device):
                each.append(self.likelihood.log_prob(params, repeated).reshape(n, k) + log_frequency)
        return torch.logsumexp(torch.stack(each), 0)

    def _mixture(self) -> list[tuple[Tensor, float]]:
        vectors = self.decoder.classes.weight
        if not self.follows_classes:
            return [(vectors[-1], 0.0)]
        pairs = zip(vectors, self.data.class_frequencies, strict=False)
        return [(vector, math.log(frequency)) for vector, frequency in pairs if frequency]


class ConditionalDecoder(nn.Module):
    """Latents [N, latent] and vectors [N, SIZE] of classes or captions -> parameters of pixels; of anything without.

    ``classes`` may be 0; the vector of anything is one more, the last.
    """

    def __init__(self, decoder: nn.Module, classes: int) -> None:
        super().__init__()
        self.network = decoder
        self.classes = nn.Embedding(classes + 1, SIZE)

    def anything(self, n: int) -> Tensor:
        """Return the vectors [n, SIZE] of any class or caption."""
        return self.classes.weight[-1].expand(n, -1)

    def forward(self, latent: Tensor, said: Tensor | None = None) -> Tensor:
        """Return parameters [N, parameters * C, H, W]."""
        said = self.anything(len(latent)) if said is None else said
        params: Tensor = self.network(torch.cat([latent, said.to(latent.dtype)], 1))
        return params
