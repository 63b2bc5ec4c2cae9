"""DCGAN: strided convolutions and batch normalisation instead of pooling and dense layers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import nn

from genkit.models import GAN, DataInfo, Preset
from genkit.models.layers import Crop
from genkit_gans.networks import ConvOptions, Shape, halvings, normal_init, padded


class DCGAN(GAN):
    """Deep convolutional GAN (arXiv:1511.06434).

    D minimises softplus(-D(x)) + softplus(D(G(z))), G minimises softplus(-D(G(z))).
    """

    Options = ConvOptions
    presets = {
        "digits": Preset(images=150_000, batch=64, options={"width": 32}),
        "mnist": Preset(images=300_000, batch=64, options={"width": 32}),
        "default": Preset(images=300_000, batch=64, options={"width": 32}),
        "gpu": Preset(images=5_000_000, batch=128),
    }

    def __init__(self, options: ConvOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.generator = deconvolutions(options.latent, options.width, data.shape).apply(normal_init)
        self.discriminator = convolutions(options.width, data.shape).apply(normal_init)


def deconvolutions(latent: int, width: int, shape: Shape) -> nn.Sequential:
    """Return latent [N, latent] -> image [N, C, H, W] in [-1, 1]."""
    count, rows, columns = halvings(*shape[1:])
    channels = [width << i for i in reversed(range(count))]
    layers: list[nn.Module] = [
        nn.Unflatten(1, (latent, 1, 1)),
        nn.ConvTranspose2d(latent, channels[0], (rows, columns), bias=False),
    ]
    for i, o in pairwise(channels):
        layers += [nn.BatchNorm2d(i), nn.ReLU(), nn.ConvTranspose2d(i, o, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, shape[0], 4, 2, 1)]
    return nn.Sequential(*layers, Crop(*shape[1:]), nn.Tanh())


def convolutions(width: int, shape: Shape, norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    """Return image [N, C, H, W] in [-1, 1] -> logits [N]; all layers but the first are normalised, by ``norm``."""
    count, rows, columns = halvings(*shape[1:])
    layers: list[nn.Module] = [nn.Conv2d(shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for i in range(count - 1):
        layers += [nn.Conv2d(width << i, width << (i + 1), 4, 2, 1, bias=False), norm(width << (i + 1))]
        layers += [nn.LeakyReLU(0.2)]
    return nn.Sequential(
        padded(*shape[1:]), *layers, nn.Conv2d(width << (count - 1), 1, (rows, columns)), nn.Flatten(0)
    )
