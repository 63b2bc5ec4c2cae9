"""SAGAN: SNGAN with self-attention and spectral normalisation in both networks, and two learning rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from genkit.models import GAN, DataInfo, Preset
from genkit.models.losses import HINGE
from genkit_gans.blocks import SelfAttention, spectral, xavier_init
from genkit_gans.networks import ConvOptions
from genkit_gans.resnet import ResNetGenerator, resnet_discriminator


@dataclass
class SAGANOptions(ConvOptions):
    """The paper's two learning rates."""

    latent: Annotated[int, Ge(1)] = 128
    width: Annotated[int, Ge(1)] = 32
    learning_rate: Annotated[float, Gt(0)] = 1e-4
    d_learning_rate: Annotated[float, Gt(0)] | None = 4e-4


class SAGAN(GAN):
    """Self-attention GAN (arXiv:1805.08318).

    D minimises relu(1 - D(x)) + relu(1 + D(G(z))), G minimises -D(G(z)), one step each in turn. Attention is at half
    the image's resolution. This model is unconditional; the paper's ImageNet model is class-conditional.
    """

    Options = SAGANOptions
    adversarial = HINGE
    betas = (0.0, 0.9)
    presets = {
        "digits": Preset(images=200_000, batch=32, options={"width": 32}),
        "mnist": Preset(images=200_000, batch=32, options={"width": 16}),
        "default": Preset(images=200_000, batch=32, options={"width": 16}),
        "gpu": Preset(images=25_000_000, options={"width": 64}),
    }

    def __init__(self, options: SAGANOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        generator = ResNetGenerator(options.latent, options.width, data.shape, middle=SelfAttention)
        self.generator = spectral(generator.apply(xavier_init))
        discriminator = resnet_discriminator(options.width, data.shape, middle=SelfAttention)
        self.discriminator = spectral(discriminator.apply(xavier_init))
