"""Convolutional VAE with a likelihood of grey levels or of binary pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from genkit.likelihoods import Bernoulli, DiscretizedLogistic
from genkit.model import DataInfo, Preset
from genkit.vae import VAE
from genkit_vaes.networks import conv_decoder, conv_encoder


@dataclass
class ConvVAEOptions:
    """``likelihood``: of the data's grey levels, or of binary pixels made as ``binarisation`` says."""

    likelihood: Literal["logistic", "bernoulli"] = "logistic"
    binarisation: Literal["dynamic", "static"] = "dynamic"
    latent: Annotated[int, Ge(1)] = 32
    width: Annotated[int, Ge(1)] = 32
    learning_rate: Annotated[float, Gt(0)] = 1e-3


class ConvVAE(VAE):
    """Convolutional variational autoencoder; its bound is on the probability of the data's own levels."""

    Options = ConvVAEOptions
    presets = {
        "digits": Preset(images=150_000, batch=64, options={"latent": 16}),
        "mnist": Preset(images=300_000, batch=64, options={"width": 16}),
        "default": Preset(images=1_000_000, batch=64, options={"latent": 64}),
    }

    def __init__(self, options: ConvVAEOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.latent = options.latent
        self.learning_rate = options.learning_rate
        logistic = options.likelihood == "logistic"
        self.likelihood = DiscretizedLogistic(data.levels) if logistic else Bernoulli(options.binarisation)
        channels = data.shape[0]
        self.encoder = conv_encoder(data.shape, options.width, 2 * options.latent)
        self.decoder = conv_decoder(
            options.latent, options.width, self.likelihood.parameters * channels, data.shape[1:]
        )
