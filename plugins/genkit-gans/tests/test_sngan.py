"""SNGAN: the hinge loss, spectral norms of 1, and no power iteration in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from genkit_gans.blocks import down_block, spectral
from genkit_gans.sngan import SNGAN, SNGANOptions
from torch import Tensor, nn

from genkit.models import DataInfo

INFO = DataInfo((1, 8, 8))


def build(cls: type[SNGAN] = SNGAN) -> SNGAN:
    torch.manual_seed(0)
    return cls(SNGANOptions(width=8), INFO)


def test_the_losses_are_the_hinges(digits_info: DataInfo, loss_on: Callable[..., float]) -> None:
    model = build()
    assert loss_on(model, "discriminator", [3.0, 0.5], [-2.0, 0.25]) == pytest.approx(0.5 / 2 + 1.25 / 2)
    assert loss_on(model, "generator", [-2.0, 0.5]) == pytest.approx(0.75)


def test_the_settings_are_the_papers() -> None:
    discriminator, generator = build().phases()
    assert (discriminator.repeats, generator.repeats) == (5, 1)
    assert discriminator.optimizer.defaults["lr"] == generator.optimizer.defaults["lr"] == 2e-4
    assert discriminator.optimizer.defaults["betas"] == (0.0, 0.9)


def test_every_layer_of_the_discriminator_has_spectral_norm_one_and_none_of_the_generator() -> None:
    model = build()
    for _ in range(50):
        model.discriminate(torch.rand(2, 1, 8, 8))
    model.eval()
    layers = [m for m in model.discriminator.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert all("weight" in getattr(layer, "parametrizations", {}) for layer in layers)
    norms = [torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item() for layer in layers]
    assert norms == pytest.approx([1.0] * len(layers), abs=0.02)
    assert not any("parametrizations" in name for name, _ in model.generator.named_parameters())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.discriminator.modules())


class Iterating(SNGAN):
    """Runs power iteration in every forward pass, also in evaluation mode."""

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        self.discriminator.train()
        return super().discriminate(images, labels)


def rests_in_evaluation(model: SNGAN) -> bool:
    model.eval()
    images = torch.rand(3, 1, 8, 8)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, second = model.logits(images), model.logits(images)
    still = all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    return still and torch.equal(first, second)


def test_the_power_iteration_moves_in_training_and_rests_in_evaluation() -> None:
    model = build()
    vectors = {name: tensor.clone() for name, tensor in model.named_buffers() if name.endswith("._u")}
    model.discriminate(torch.rand(2, 1, 8, 8))
    assert any(not torch.equal(model.get_buffer(name), before) for name, before in vectors.items())
    assert rests_in_evaluation(build())
    assert not rests_in_evaluation(build(Iterating))


class Rectified(SNGAN):
    """A first block with a ReLU on its input, like the others."""

    def __init__(self, options: SNGANOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.discriminator[0][1] = spectral(down_block(data.shape[0], options.width))


def sees_dark_pixels(model: SNGAN) -> bool:
    """Whether the branch of the first block has a gradient at negative pixels; its shortcut is linear in any case."""
    dark = -torch.rand(2, 1, 8, 8)
    dark.requires_grad_()
    (slope,) = torch.autograd.grad(model.discriminator[0][1].branch(dark).sum(), dark)
    return bool(slope.any())


def test_images_enter_the_discriminator_unrectified() -> None:
    assert sees_dark_pixels(build())
    assert not sees_dark_pixels(build(Rectified))
