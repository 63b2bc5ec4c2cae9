"""What every GAN shares: the border between [0, 1] and [-1, 1], the two phases and their losses, and sampling.

A subclass sets two networks and its latent size; the rest is here:

    class MyGAN(GAN):
        def __init__(self, options: MyOptions, data: DataInfo) -> None:
            super().__init__(options, data)
            self.latent = options.latent
            self.generator = ...      # latent [N, latent] -> image [N, C, H, W] in [-1, 1], by tanh
            self.discriminator = ...  # image in [-1, 1] -> logits [N], higher for real
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genkit.losses import NON_SATURATING, Adversarial
from genkit.model import Batch, GenerativeModel, Phase, Step


class GAN(GenerativeModel):
    """Base of every GAN: a generator and a discriminator, each with an Adam of its own (arXiv:1406.2661).

    A step is the discriminator's turn, then the generator's. ``adversarial`` is the game they play. Override
    ``discriminator_loss`` or ``generator_loss`` for penalties, ``phases`` for unequal turns or learning rates.
    """

    ema: ClassVar[tuple[str, ...]] = ("generator",)
    generator: nn.Module
    discriminator: nn.Module
    latent: int = 100
    adversarial: Adversarial = NON_SATURATING
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)

    def optimizer(self, module: nn.Module) -> Optimizer:
        """Return a new Adam over one network's parameters."""
        return torch.optim.Adam(module.parameters(), lr=self.learning_rate, betas=self.betas, fused=True)

    def phases(self) -> list[Phase]:
        """Return the discriminator's turn, then the generator's."""
        return [
            Phase("discriminator", self.discriminator, self.optimizer(self.discriminator)),
            Phase("generator", self.generator, self.optimizer(self.generator)),
        ]

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss of the phase "discriminator" or "generator"."""
        if phase == "discriminator":
            return self.discriminator_loss(batch, step)
        return self.generator_loss(batch, step)

    def discriminator_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return the discriminator's loss on a batch and as many generated images; logs both logits."""
        latent = self.draw_latent(len(batch), generator=step.generator)
        with torch.no_grad():
            generated = self.generator(latent)
        # Two passes: in a mixed one, batch normalisation would tell the discriminator what the batch is made of.
        real_logits = self._judge(symmetric(batch.images))
        generated_logits = self._judge(generated)
        loss = self.adversarial.discriminator(real_logits, generated_logits)
        step.log(logits_real=real_logits.mean(), logits_generated=generated_logits.mean())
        return loss

    def generator_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return the generator's loss on as many new latents as the batch has images."""
        latent = self.draw_latent(len(batch), generator=step.generator)
        return self.adversarial.generator(self._judge(self.generator(latent)))

    def logits(self, images: Tensor) -> Tensor:
        """Return the discriminator's logits [N] of images in [0, 1]: higher for real."""
        return self._judge(symmetric(images))

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw latents [n, latent] from N(0, 1)."""
        return torch.randn(n, self.latent, generator=generator, device=self.device)

    def decode(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the images in [0, 1] that the generator makes of latents."""
        images: Tensor = self.generator(latent)
        return images.add(1).mul(0.5)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` images in [0, 1]."""
        return self.decode(self.draw_latent(n, generator=generator), condition)

    def _judge(self, images: Tensor) -> Tensor:
        """Return float32 logits [N] of images in [-1, 1]."""
        logits: Tensor = self.discriminator(images)
        return logits.float().reshape(len(images))


def symmetric(images: Tensor) -> Tensor:
    """Move images from [0, 1] to [-1, 1], the range of a generator's tanh."""
    return images.mul(2).sub(1)
