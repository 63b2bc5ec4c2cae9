"""Convolutional VAE with a likelihood of grey levels or of binary pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from genkit.models import VAE, DataInfo, Preset
from genkit_vaes.networks import conv_decoder, conv_encoder
from genkit_vaes.pixels import PixelOptions, likelihood_of


@dataclass
class ConvVAEOptions(PixelOptions):
    """``width``: channels at full resolution, doubled with every halving."""

    latent: Annotated[int, Ge(1)] = 32
    width: Annotated[int, Ge(1)] = 32
    learning_rate: Annotated[float, Gt(0)] = 1e-3


class ConvVAE(VAE):
    """Convolutional VAE: ``-log p(x | z) + KL(q(z | x) | N(0, 1))``, with p over the data's grey levels."""

    Options = ConvVAEOptions
    presets = {
        "digits": Preset(images=150_000, batch=64, options={"latent": 16}),
        "mnist": Preset(images=300_000, batch=64, options={"width": 16}),
        "default": Preset(images=300_000, batch=64, options={"latent": 64, "width": 16}),
        "gpu": Preset(images=10_000_000, batch=256, options={"latent": 128, "width": 64}),
    }

    def __init__(self, options: ConvVAEOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.latent = options.latent
        self.learning_rate = options.learning_rate
        self.likelihood = likelihood_of(options, data)
        self.encoder = conv_encoder(data.shape, options.width, 2 * options.latent)
        self.decoder = conv_decoder(
            options.latent, options.width, self.likelihood.parameters * data.shape[0], data.shape[1:]
        )
