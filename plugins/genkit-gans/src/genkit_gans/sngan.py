"""SNGAN: a residual discriminator whose layers have spectral norm 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from genkit.models import GAN, DataInfo, Preset
from genkit.models.losses import HINGE
from genkit_gans.blocks import spectral, xavier_init
from genkit_gans.networks import ConvOptions
from genkit_gans.resnet import ResNetGenerator, resnet_discriminator


@dataclass
class SNGANOptions(ConvOptions):
    """The paper's settings."""

    latent: Annotated[int, Ge(1)] = 128
    width: Annotated[int, Ge(1)] = 32
    d_steps: Annotated[int, Ge(1)] = 5


class SNGAN(GAN):
    """GAN with a spectrally normalised discriminator (arXiv:1802.05957).

    D minimises relu(1 - D(x)) + relu(1 + D(G(z))), G minimises -D(G(z)). Both networks are residual; the generator has
    batch normalisation, the discriminator none.
    """

    Options = SNGANOptions
    adversarial = HINGE
    betas = (0.0, 0.9)
    presets = {
        "digits": Preset(images=200_000, options={"width": 32, "d_steps": 1}),
        "mnist": Preset(images=200_000, batch=32, options={"width": 16, "d_steps": 1}),
        "default": Preset(images=200_000, batch=32, options={"width": 16, "d_steps": 1}),
        "gpu": Preset(images=25_000_000, options={"width": 64}),
    }

    def __init__(self, options: SNGANOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.generator = ResNetGenerator(options.latent, options.width, data.shape).apply(xavier_init)
        self.discriminator = spectral(resnet_discriminator(options.width, data.shape).apply(xavier_init))
