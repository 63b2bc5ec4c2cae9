"""Layers that the convolutional VAEs share."""

from __future__ import annotations

from torch import nn

from genkit.models.layers import Crop, Size, halvings


def halving(channels: int, width: int, count: int) -> list[nn.Module]:
    """Return convolutions [N, channels, H, W] -> [N, width << count, H', W'] that halve an image ``count`` times."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.SiLU()]
    for i in range(count):
        layers += [nn.Conv2d(width << i, width << (i + 1), 3, 2, 1), nn.SiLU()]
    return layers


def doubling(width: int, channels: int, count: int, size: Size) -> list[nn.Module]:
    """Return the mirror image of ``halving``: [N, width << count, H', W'] -> [N, channels, *size]."""
    layers: list[nn.Module] = []
    for i in reversed(range(count)):
        layers += [nn.ConvTranspose2d(width << (i + 1), width << i, 4, 2, 1), nn.SiLU()]
    return [*layers, nn.Conv2d(width, channels, 3, padding=1), Crop(*size)]


def conv_encoder(shape: tuple[int, int, int], width: int, outputs: int) -> nn.Sequential:
    """Return image [N, C, H, W] -> [N, outputs]: strided convolutions, each doubling the channels, then dense."""
    count, rows, columns = halvings(*shape[1:])
    dense = nn.Linear((width << count) * rows * columns, outputs)
    return nn.Sequential(*halving(shape[0], width, count), nn.Flatten(), dense)


def conv_decoder(latent: int, width: int, channels: int, size: Size) -> nn.Sequential:
    """Return latent [N, latent] -> [N, channels, *size]: the encoder's mirror image."""
    count, rows, columns = halvings(*size)
    deepest = width << count
    layers: list[nn.Module] = [
        nn.Linear(latent, deepest * rows * columns),
        nn.SiLU(),
        nn.Unflatten(1, (deepest, rows, columns)),
    ]
    return nn.Sequential(*layers, *doubling(width, channels, count, size))
