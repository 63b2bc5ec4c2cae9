"""The original GAN: a dense generator against a small convolutional discriminator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from annotated_types import Gt
from torch import nn

from genkit.models import GAN, DataInfo, Preset
from genkit.models.gan import GANOptions
from genkit.models.losses import NON_SATURATING, SATURATING


@dataclass
class OriginalGANOptions(GANOptions):
    """``saturating``: the generator minimises log(1 - D), as in the minimax game, instead of -log D."""

    learning_rate: Annotated[float, Gt(0)] = 1e-4
    saturating: bool = False


class OriginalGAN(GAN):
    """Generative adversarial network (arXiv:1406.2661, equation 1).

    D minimises softplus(-D(x)) + softplus(D(G(z))); G minimises softplus(-D(G(z))), or -softplus(D(G(z))) where
    ``saturating``. Adam has its default betas, 0.9 and 0.999.
    """

    Options = OriginalGANOptions
    betas = (0.9, 0.999)
    presets = {
        "digits": Preset(images=300_000, batch=32),
        "mnist": Preset(images=200_000, batch=64),
        "default": Preset(images=300_000, batch=64),
        "gpu": Preset(images=5_000_000, batch=128),
    }

    def __init__(self, options: OriginalGANOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.adversarial = SATURATING if options.saturating else NON_SATURATING
        self.generator = dense_generator(options.latent, data.shape)
        self.discriminator = conv_discriminator(data.shape)


def dense_generator(latent: int, shape: tuple[int, int, int]) -> nn.Sequential:
    """Return latent [N, latent] -> image [N, C, H, W] in [-1, 1], through 128, 256 and 512 units."""
    sizes = (latent, 128, 256, 512)
    hidden: list[nn.Module] = []
    for i, o in pairwise(sizes):
        layer = nn.Linear(i, o)
        # PyTorch's default divides the variance by six per layer: all images would start out alike, and stay so.
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        hidden += [layer, nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(512, math.prod(shape)), nn.Tanh(), nn.Unflatten(1, shape))


def conv_discriminator(shape: tuple[int, int, int]) -> nn.Sequential:
    """Return image [N, C, H, W] in [-1, 1] -> logits [N]: two convolutions, each pooled, and a dense layer."""
    channels, height, width = shape
    pooled = math.ceil(height / 4) * math.ceil(width / 4)
    return nn.Sequential(
        nn.Conv2d(channels, 64, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(64, 128, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(128 * pooled, 1),
        nn.Flatten(0),
    )
