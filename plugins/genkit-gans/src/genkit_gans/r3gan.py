"""R3GAN: a relativistic loss with two gradient penalties, and residual networks without normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, TypeVar

import torch
from annotated_types import Ge, MultipleOf
from torch import Tensor, nn

from genkit.models import GAN, DataInfo, Preset, Step
from genkit.models.layers import Crop
from genkit.models.losses import RELATIVISTIC, r1_penalty, r2_penalty
from genkit_gans.blocks import Residual
from genkit_gans.networks import ConvOptions, Shape, halvings, padded, widths

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)
LEAK = 0.2
GROUP = 16
"""Channels of a group in grouped convolutions."""


@dataclass
class R3GANOptions(ConvOptions):
    """``gamma``: weight of the penalties, in gamma/2 (R1 + R2); ``blocks``: residual blocks per resolution."""

    latent: Annotated[int, Ge(1)] = 64
    width: Annotated[int, Ge(8), MultipleOf(8)] = 32
    gamma: Annotated[float, Ge(0)] = 1.0
    blocks: Annotated[int, Ge(1)] = 2


class R3GAN(GAN):
    """R3GAN (arXiv:2501.05441, equations 2 to 4).

    D minimises softplus(D(G(z)) - D(x)) + gamma/2 (R1 + R2), G minimises softplus(D(x) - D(G(z))), over pairs of a
    real and a generated image. R1 and R2 are |grad D|^2 at real and at generated images. The networks are residual,
    of grouped bottlenecks without normalisation, and their blocks start as the identity; Adam has no momentum.
    """

    Options = R3GANOptions
    options: R3GANOptions
    adversarial = RELATIVISTIC
    betas = (0.0, 0.99)
    ema_half_life = 500_000
    presets = {
        "digits": Preset(
            images=200_000, batch=32, options={"width": 32, "blocks": 1, "learning_rate": 1e-3, "gamma": 0.5}
        ),
        "mnist": Preset(
            images=200_000, batch=32, options={"width": 16, "blocks": 1, "learning_rate": 1e-3, "gamma": 0.5}
        ),
        "default": Preset(
            images=200_000, batch=32, options={"width": 16, "blocks": 1, "learning_rate": 1e-3, "gamma": 0.5}
        ),
        "gpu": Preset(images=50_000_000, batch=256, options={"width": 64}),
    }

    def __init__(self, options: R3GANOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.generator = Generator(options, data.shape)
        self.discriminator = build_discriminator(options, data.shape)

    def penalty(self, real: Tensor, generated: Tensor, step: Step) -> Tensor:
        """Return gamma/2 (R1 + R2)."""

        def discriminate(images: Tensor) -> Tensor:
            return self.discriminate(step.augment(images))

        r1, r2 = r1_penalty(discriminate, real), r2_penalty(discriminate, generated)
        step.log(r1_penalty=r1, r2_penalty=r2)
        return 0.5 * self.options.gamma * (r1 + r2)


class Generator(nn.Module):
    """Latents [N, latent] -> images [N, C, H, W], roughly in [-1, 1], from a learned basis weighted by the latent."""

    def __init__(self, options: R3GANOptions, shape: Shape) -> None:
        super().__init__()
        count, rows, columns = halvings(*shape[1:])
        channels = widths(options.width, count)
        self.basis = nn.Parameter(torch.randn(channels[0], rows, columns))
        self.weights = scaled(nn.Linear(options.latent, channels[0], bias=False))
        layers = bottlenecks(channels[0], options.blocks, count)
        for i, o in pairwise(channels):
            layers += [nn.Upsample(scale_factor=2, mode="bilinear"), scaled(nn.Conv2d(i, o, 1, bias=False))]
            layers += bottlenecks(o, options.blocks, count)
        self.layers = nn.Sequential(*layers, scaled(nn.Conv2d(channels[-1], shape[0], 1)), Crop(*shape[1:]))

    def forward(self, latent: Tensor) -> Tensor:
        """Return images."""
        images: Tensor = self.layers(self.basis * self.weights(latent)[:, :, None, None])
        return images


def build_discriminator(options: R3GANOptions, shape: Shape) -> nn.Sequential:
    """Return images [N, C, H, W] -> logits [N], the mirror image of the generator."""
    count, rows, columns = halvings(*shape[1:])
    channels = widths(options.width, count)[::-1]
    layers: list[nn.Module] = [padded(*shape[1:]), scaled(nn.Conv2d(shape[0], channels[0], 1))]
    for i, o in pairwise(channels):
        layers += bottlenecks(i, options.blocks, count)
        layers += [nn.AvgPool2d(2), scaled(nn.Conv2d(i, o, 1, bias=False))]
    layers += bottlenecks(channels[-1], options.blocks, count)
    pool = scaled(nn.Conv2d(channels[-1], channels[-1], (rows, columns), groups=channels[-1], bias=False))
    return nn.Sequential(*layers, pool, nn.Flatten(), scaled(nn.Linear(channels[-1], 1)), nn.Flatten(0))


def bottlenecks(channels: int, blocks: int, count: int) -> list[nn.Module]:
    """Return inverted residual blocks of 1x1, grouped 3x3 and 1x1 convolutions, twice as wide inside.

    Initial weights are scaled down with the depth of the network and the last are 0, so that each block starts as the
    identity (arXiv:1901.09321).
    """
    depth = blocks * (count + 1)
    gain = math.sqrt(2 / (1 + LEAK**2)) * depth**-0.25
    wide = 2 * channels
    return [
        Residual(
            nn.Sequential(
                scaled(nn.Conv2d(channels, wide, 1), gain),
                nn.LeakyReLU(LEAK),
                scaled(nn.Conv2d(wide, wide, 3, padding=1, groups=wide // GROUP), gain),
                nn.LeakyReLU(LEAK),
                scaled(nn.Conv2d(wide, channels, 1, bias=False), 0),
            ),
            nn.Identity(),
        )
        for _ in range(blocks)
    ]


def scaled(layer: Layer, gain: float = 1.0) -> Layer:
    """Draw a layer's weights from N(0, gain^2 / inputs) and zero its bias; return it."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
