"""The original VAE, with two dense layers per network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt
from torch import nn

from genkit.models import VAE, DataInfo, Preset
from genkit.models.likelihoods import Bernoulli, Gaussian


@dataclass
class DenseVAEOptions:
    """``alpha``: variance of the Gaussian likelihood; ``binarisation``: how the Bernoulli one binarises;
    ``kl_warmup``: training images over which the weight of KL rises from 0.

    The Gaussian loss is ``.5 sum (x - x')^2 + alpha KL``: a large alpha collapses to the mean image.
    """

    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"
    alpha: Annotated[float, Gt(0)] = 0.02
    binarisation: Literal["dynamic", "static"] = "dynamic"
    latent: Annotated[int, Ge(1)] = 20
    width: Annotated[int, Ge(1)] = 500
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    kl_warmup: Annotated[int, Ge(0)] = 0


class DenseVAE(VAE):
    """Variational autoencoder (arXiv:1312.6114): ``.5 sum (x - x')^2 + alpha KL(q(z | x) | N(0, 1))``.

    That is alpha times the negative ELBO of N(x', alpha); with a Bernoulli likelihood it is ``-log p(x | z) + KL``.
    """

    Options = DenseVAEOptions
    presets = {
        "digits": Preset(images=300_000, batch=64, options={"alpha": 0.02}),
        "mnist": Preset(images=2_400_000, batch=128, options={"alpha": 0.02}),
        "default": Preset(images=1_000_000, batch=128),
        "gpu": Preset(images=20_000_000, batch=256, options={"latent": 50}),
    }

    def __init__(self, options: DenseVAEOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.latent = options.latent
        self.learning_rate = options.learning_rate
        gaussian = options.likelihood == "gaussian"
        self.likelihood = Gaussian(options.alpha) if gaussian else Bernoulli(options.binarisation)
        pixels, width = math.prod(data.shape), options.width
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, 2 * self.latent)
        )
        # The output is the Gaussian's mean in [0, 1], or the Bernoulli's logit.
        self.decoder = nn.Sequential(
            nn.Linear(self.latent, width),
            nn.ReLU(),
            nn.Linear(width, pixels),
            nn.Sigmoid() if gaussian else nn.Identity(),
            nn.Unflatten(1, data.shape),
        )
