"""VAE-GAN: a VAE with reconstruction loss in a discriminator's features, whose decoder is also a GAN's generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn.functional import softplus

from genkit.models import VAE, Batch, DataInfo, Phase, Preset, Step
from genkit.models.layers import halvings
from genkit.models.likelihoods import Gaussian
from genkit.models.losses import gaussian_kl
from genkit.models.precision import promoted
from genkit_vaes.networks import conv_decoder, conv_encoder, halving


@dataclass
class VAEGANOptions:
    """``gamma``: weight of the feature reconstruction in the decoder's loss; its adversarial terms have weight 1."""

    gamma: Annotated[float, Gt(0)] = 0.05
    latent: Annotated[int, Ge(1)] = 32
    width: Annotated[int, Ge(1)] = 32
    learning_rate: Annotated[float, Gt(0)] = 3e-4


class VAEGAN(VAE):
    """Encoder, decoder and discriminator, each with a phase and a loss of its own (arXiv:1512.09300).

    For an image x, its reconstruction x' and an image G(z) decoded from a draw of the prior, the encoder minimises
    KL + rec, the decoder gamma rec + softplus(-D(x')) + softplus(-D(G(z))) and the discriminator softplus(-D(x)) +
    softplus(D(x')) + softplus(D(G(z))), where rec is half the squared distance of x and x' in the discriminator's
    features. A density of features is not one of images, so there is no ``log_likelihood``.
    """

    Options = VAEGANOptions
    ema = ("encoder", "decoder")
    log_likelihood = None  # type: ignore[assignment]
    presets = {
        "digits": Preset(images=200_000, batch=64, options={"latent": 16, "width": 16}),
        "mnist": Preset(images=200_000, batch=64, options={"width": 16}),
        "default": Preset(images=200_000, batch=64, options={"latent": 64, "width": 16}),
        "gpu": Preset(images=10_000_000, batch=128, options={"latent": 128, "width": 64}),
    }

    def __init__(self, options: VAEGANOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.latent = options.latent
        self.learning_rate = options.learning_rate
        self.likelihood = Gaussian(1.0)
        self.encoder = conv_encoder(data.shape, options.width, 2 * options.latent)
        decoder = conv_decoder(options.latent, options.width, data.shape[0], data.shape[1:])
        self.decoder = nn.Sequential(decoder, nn.Sigmoid())
        self.discriminator = Discriminator(data.shape, options.width)

    def phases(self) -> list[Phase]:
        """Return three phases, one per network, each with its own Adam."""
        networks = {"encoder": self.encoder, "decoder": self.decoder, "discriminator": self.discriminator}
        return [
            Phase(name, network, torch.optim.Adam(network.parameters(), self.learning_rate, (0.5, 0.999), fused=True))
            for name, network in networks.items()
        ]

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss of the phase "encoder", "decoder" or "discriminator"."""
        losses = {"encoder": self.encoder_loss, "decoder": self.decoder_loss, "discriminator": self.discriminator_loss}
        return losses[phase](batch, step)

    def encoder_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return the batch's mean of KL + feature reconstruction; the adversarial terms do not reach the encoder."""
        mean, log_variance = self.moments(batch.images)
        latent = mean + (0.5 * log_variance).exp() * self.noise(len(batch), generator=step.generator)
        kl = gaussian_kl(mean, log_variance).mean()
        rec = self._feature_distortion(self.discriminator(self._decode(latent))[0], batch.images)
        step.log(kl=kl, rec=rec)
        return kl + rec

    def decoder_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return gamma times the feature reconstruction, plus the adversarial losses of reconstructions and draws."""
        reconstructed, drawn = map(self._decode, self._latents(batch, step))
        features, logits = self.discriminator(reconstructed)
        rec = self._feature_distortion(features, batch.images)
        adversarial = softplus(-logits).mean() + softplus(-self.discriminator(drawn)[1]).mean()
        total: Tensor = self.options.gamma * rec + adversarial
        return total

    def discriminator_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return the cross-entropy: label 1 for real images, 0 for reconstructions and for decoded draws."""
        with torch.no_grad():
            reconstructed, drawn = map(self._decode, self._latents(batch, step))
        real, first, second = (self.discriminator(images)[1] for images in (batch.images, reconstructed, drawn))
        step.log(logits_real=real.mean(), logits_reconstructed=first.mean(), logits_generated=second.mean())
        return softplus(-real).mean() + softplus(first).mean() + softplus(second).mean()

    def logits(self, images: Tensor) -> Tensor:
        """Return the discriminator's logits [N] of images in [0, 1]: higher for real."""
        logits: Tensor = self.discriminator(images)[1]
        return logits

    def _latents(self, batch: Batch, step: Step) -> tuple[Tensor, Tensor]:
        """Return latents drawn from the images' posteriors, and as many from the prior; no gradient to the encoder."""
        with torch.no_grad():
            mean, log_variance = self.moments(batch.images)
        noise, drawn = self.noise(2, len(batch), generator=step.generator)
        return mean + (0.5 * log_variance).exp() * noise, drawn

    def _feature_distortion(self, features: Tensor, images: Tensor) -> Tensor:
        """Return the batch's mean of -log N(D_l(x); D_l(x'), 1) in features D_l, without its constant."""
        return self.likelihood.distortion(features, self.discriminator(images)[0].detach()).mean()


class Discriminator(nn.Module):
    """Images in [0, 1] -> features [N, F] of the last convolution, and logits [N], both in float32.

    The features are normalised per image: the distance assumes unit variance, so their scale must not drift.
    """

    def __init__(self, shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        count, rows, columns = halvings(*shape[1:])
        convolutions = halving(shape[0], width, count)[:-1]
        self.features = nn.Sequential(*convolutions, nn.GroupNorm(1, width << count), nn.Flatten())
        self.head = nn.Sequential(nn.SiLU(), nn.Linear((width << count) * rows * columns, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and logits."""
        features = self.features(images)
        return promoted(features), promoted(self.head(features)).flatten()
