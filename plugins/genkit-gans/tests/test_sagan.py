"""SAGAN: attention that starts at 0, two learning rates, spectral normalisation of both networks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from genkit_gans.blocks import SelfAttention
from genkit_gans.sagan import SAGAN, SAGANOptions
from torch import nn

from genkit.models import DataInfo

INFO = DataInfo((1, 8, 8))


def build(cls: type[SAGAN] = SAGAN) -> SAGAN:
    torch.manual_seed(0)
    return cls(SAGANOptions(width=8), INFO)


def attentions(model: SAGAN) -> list[SelfAttention]:
    return [module for module in model.modules() if isinstance(module, SelfAttention)]


def test_the_losses_are_the_hinges(digits_info: DataInfo, loss_on: Callable[..., float]) -> None:
    assert loss_on(build(), "discriminator", [3.0, 0.5], [-2.0, 0.25]) == pytest.approx(0.5 / 2 + 1.25 / 2)
    assert loss_on(build(), "generator", [-2.0, 0.5]) == pytest.approx(0.75)


def test_the_two_time_scales_are_1e_4_and_4e_4_turn_by_turn() -> None:
    discriminator, generator = build().phases()
    assert (discriminator.optimizer.defaults["lr"], generator.optimizer.defaults["lr"]) == (4e-4, 1e-4)
    assert (discriminator.repeats, generator.repeats) == (1, 1)
    assert discriminator.optimizer.defaults["betas"] == generator.optimizer.defaults["betas"] == (0.0, 0.9)


def test_every_layer_of_both_networks_is_spectrally_normalised() -> None:
    layers = [m for m in build().modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) > 20
    assert all("weight" in getattr(layer, "parametrizations", {}) for layer in layers)


class Eager(SAGAN):
    """Attention at full strength from the start."""

    def __init__(self, options: SAGANOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        for module in attentions(self):
            nn.init.ones_(module.gamma)


def starts_without_attention(model: SAGAN) -> bool:
    inputs = [(module, torch.randn(2, module.query.in_channels, 4, 4)) for module in attentions(model)]
    return len(inputs) == 2 and all(torch.equal(module(x), x) for module, x in inputs)


def test_attention_starts_at_nothing_in_both_networks_and_can_grow() -> None:
    assert starts_without_attention(build())
    assert not starts_without_attention(build(Eager))
    module = SelfAttention(8)
    module(torch.randn(2, 8, 4, 4)).square().sum().backward()
    assert module.gamma.grad is not None and module.gamma.grad != 0


def test_attention_against_its_definition() -> None:
    torch.manual_seed(0)
    module = SelfAttention(16)
    nn.init.constant_(module.gamma, 0.7)
    x = torch.randn(2, 16, 3, 4)
    places = x.flatten(2).transpose(1, 2)  # [N, places, channels]
    query, key, value, out = (
        layer.weight[:, :, 0, 0] for layer in (module.query, module.key, module.value, module.out)
    )
    expected = torch.empty_like(places)
    for n in range(2):
        for i in range(12):
            scores = torch.stack([(query @ places[n, i]) @ (key @ places[n, j]) for j in range(12)]).softmax(0)
            seen = sum(scores[j] * (value @ places[n, j]) for j in range(12))
            expected[n, i] = places[n, i] + 0.7 * (out @ seen)
    torch.testing.assert_close(module(x), expected.transpose(1, 2).view_as(x))
    assert query.shape == (2, 16)
