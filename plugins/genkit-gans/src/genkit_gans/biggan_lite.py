"""BigGAN-lite: BigGAN's additions to SAGAN and projection, at a size that trains on a small machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from genkit.models import Batch, DataInfo, Preset, Step
from genkit.models.gan import ConditionalGAN
from genkit.models.losses import HINGE
from genkit_gans.blocks import ConditionalBatchNorm, SelfAttention, orthogonal_init, orthogonality, spectral
from genkit_gans.networks import ConvOptions, Shape, halvings
from genkit_gans.resnet import ProjectionDiscriminator, ResNetGenerator


@dataclass
class BigGANLiteOptions(ConvOptions):
    """``embedding``: dimensions of the shared class embedding; ``orthogonal``: weight beta of the regularisation."""

    latent: Annotated[int, Ge(8)] = 120
    width: Annotated[int, Ge(1)] = 32
    learning_rate: Annotated[float, Gt(0)] = 1e-4
    d_learning_rate: Annotated[float, Gt(0)] | None = 4e-4
    d_steps: Annotated[int, Ge(1)] = 2
    embedding: Annotated[int, Ge(1)] = 128
    orthogonal: Annotated[float, Ge(0)] = 1e-4


class BigGANLite(ConditionalGAN):
    """BigGAN (arXiv:1809.11096), small.

    D minimises relu(1 - D(x, y)) + relu(1 + D(G(z, y), y)) on projection logits, G minimises -D(G(z, y), y) +
    beta |W W^T (1 - I)|^2. All normalisations of the generator share one embedding of the class, and each block's
    also take a part of the latent of their own. Samples are drawn from a moving average (0.9999 per step in the paper)
    whose half-life is a twentieth of the images seen, to fit any budget, and at most a million.
    """

    Options = BigGANLiteOptions
    options: BigGANLiteOptions
    generator: SkipGenerator
    adversarial = HINGE
    betas = (0.0, 0.999)
    ema_half_life = 1_000_000
    presets = {
        "digits": Preset(images=200_000, batch=32, options={"width": 32, "d_steps": 1}),
        "mnist": Preset(images=200_000, batch=32, options={"width": 16, "d_steps": 1}),
        "default": Preset(images=200_000, batch=32, options={"width": 16, "d_steps": 1}),
        "gpu": Preset(images=25_000_000, batch=256, options={"width": 64}),
    }

    def __init__(self, options: BigGANLiteOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.generator = SkipGenerator(options, data.shape, data.num_classes).apply(orthogonal_init)
        spectral(self.generator.painter)
        discriminator = ProjectionDiscriminator(options.width, data.shape, data.num_classes, middle=SelfAttention)
        self.discriminator = spectral(discriminator.apply(orthogonal_init))

    def generator_loss(self, batch: Batch, step: Step) -> Tensor:
        """Return the hinge loss and the orthogonal regularisation, which excludes the embedding."""
        correlation = orthogonality(self.generator.painter)
        step.log(orthogonality=correlation)
        return super().generator_loss(batch, step) + self.options.orthogonal * correlation


class SkipGenerator(nn.Module):
    """Latents [N, latent] and labels [N] -> images; parts of the latent enter every block (appendix B)."""

    def __init__(self, options: BigGANLiteOptions, shape: Shape, classes: int) -> None:
        super().__init__()
        blocks = halvings(*shape[1:])[0]
        part = options.latent // (blocks + 1)
        self.parts = [options.latent - blocks * part, *[part] * blocks]
        self.embedding = nn.Embedding(classes, options.embedding)
        norms = partial(ConditionalBatchNorm, condition=options.embedding + part)
        self.painter = ResNetGenerator(self.parts[0], options.width, shape, norms, SelfAttention)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Return images in [-1, 1]."""
        start, *skips = latent.split(self.parts, dim=1)
        shared = self.embedding(labels)
        conditions = [(torch.cat([shared, skip], dim=1),) for skip in skips]
        images: Tensor = self.painter.generate(start, conditions)
        return images
