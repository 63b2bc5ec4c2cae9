"""The original GAN: its layers, both losses, every shape."""

from __future__ import annotations

import pytest
import torch
from genkit_gans.gan import OriginalGAN, OriginalGANOptions
from torch import nn

from genkit.models import DataInfo
from genkit.models.losses import NON_SATURATING, SATURATING


def build(info: DataInfo, **options: bool | float) -> OriginalGAN:
    torch.manual_seed(0)
    return OriginalGAN(OriginalGANOptions(**options), info)


def test_the_generator_is_dense_100_128_256_512_pixels() -> None:
    layers = [module for module in build(DataInfo((1, 28, 28))).generator if isinstance(module, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [
        (100, 128),
        (128, 256),
        (256, 512),
        (512, 784),
    ]


def test_the_discriminator_is_conv_64_pool_conv_128_pool_dense_1() -> None:
    modules = [
        module
        for module in build(DataInfo((3, 32, 32))).discriminator
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.Linear)
    ]
    kinds = [type(module) for module in modules]
    assert kinds == [nn.Conv2d, nn.MaxPool2d, nn.Conv2d, nn.MaxPool2d, nn.Linear]
    assert (modules[0].out_channels, modules[2].out_channels, modules[4].out_features) == (64, 128, 1)


def test_the_discriminator_ends_in_logits_not_probabilities() -> None:
    model = build(DataInfo((1, 8, 8)))
    images = torch.rand(5, 1, 8, 8)
    before = model.logits(images)
    with torch.no_grad():
        (last,) = [module for module in model.discriminator if isinstance(module, nn.Linear)]
        last.weight.mul_(1000)
        last.bias.mul_(1000)
    torch.testing.assert_close(model.logits(images), 1000 * before, rtol=1e-4, atol=1e-3)


def test_the_settings_are_adam_1e_4_with_an_optimiser_each() -> None:
    optimizers = [phase.optimizer for phase in build(DataInfo((1, 8, 8))).phases()]
    assert optimizers[0] is not optimizers[1]
    assert [type(optimizer) for optimizer in optimizers] == [torch.optim.Adam] * 2
    assert [optimizer.defaults["lr"] for optimizer in optimizers] == [1e-4] * 2


@pytest.mark.parametrize(("saturating", "game"), [(False, NON_SATURATING), (True, SATURATING)])
def test_saturating_chooses_the_game(saturating: bool, game: object) -> None:
    assert build(DataInfo((1, 8, 8)), saturating=saturating).adversarial is game


def test_the_latent_moves_the_image_from_the_start() -> None:
    images = build(DataInfo((1, 8, 8))).sample(500, generator=torch.Generator().manual_seed(0))
    assert images.std(0).mean() > 0.1
