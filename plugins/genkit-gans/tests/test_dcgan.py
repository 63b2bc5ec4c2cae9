"""DCGAN: initialisation, normalisation, settings, every shape."""

from __future__ import annotations

import pytest
import torch
from genkit_gans.dcgan import DCGAN
from genkit_gans.networks import ConvOptions
from torch import nn

from genkit.models import DataInfo


def build(info: DataInfo, width: int = 8) -> DCGAN:
    torch.manual_seed(0)
    return DCGAN(ConvOptions(width=width), info)


def test_every_pixel_reaches_the_discriminator(info: DataInfo) -> None:
    model = build(info).eval()
    images = torch.rand(2, *info.shape, requires_grad=True)
    model.logits(images).sum().backward()
    assert images.grad is not None and (images.grad != 0).all()


def test_batch_normalisation_has_its_usual_eps_and_momentum() -> None:
    layers = [m for m in build(DataInfo((3, 32, 32))).modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(layers) == 5
    assert {(layer.eps, layer.momentum) for layer in layers} == {(1e-5, 0.1)}


def test_neither_the_images_nor_the_first_discriminator_layer_are_normalised() -> None:
    model = build(DataInfo((3, 32, 32)))
    assert not isinstance([m for m in model.generator if not isinstance(m, nn.ReLU)][-3], nn.BatchNorm2d)
    kinds = [type(m) for m in model.discriminator]
    assert kinds[kinds.index(nn.Conv2d) + 1] is nn.LeakyReLU


def test_weights_are_drawn_from_a_normal_of_0_02() -> None:
    for module in build(DataInfo((3, 32, 32)), width=32).modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
        elif isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1.0, abs=0.02)


def test_the_settings_are_adam_2e_4_with_beta1_0_5() -> None:
    for phase in build(DataInfo((1, 8, 8))).phases():
        assert phase.optimizer.defaults["lr"] == 2e-4
        assert phase.optimizer.defaults["betas"][0] == 0.5
