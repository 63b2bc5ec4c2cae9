"""Blocks that several models share."""

from __future__ import annotations

import pytest
import torch
from genkit_gans.blocks import ConditionalBatchNorm, UpBlock, down_block, first_block, plain_block, spectral
from genkit_gans.networks import halvings, padded
from genkit_gans.resnet import ClassResNetGenerator, ResNetFeatures
from torch import nn


def test_blocks_halve_keep_and_double() -> None:
    x = torch.randn(2, 3, 8, 8)
    assert first_block(3, 5)(x).shape == down_block(3, 5)(x).shape == (2, 5, 4, 4)
    assert plain_block(3)(x).shape == (2, 3, 8, 8)
    assert UpBlock(3, 5, nn.BatchNorm2d)(x).shape == (2, 5, 16, 16)


def test_conditional_batch_norm_has_the_conditions_gain_and_bias() -> None:
    norm = ConditionalBatchNorm(3, 4)
    x, condition = torch.randn(6, 3, 5, 5) * 4 + 2, torch.randn(6, 4)
    plain = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    gain, bias = 1 + condition @ norm.gain.weight.T, condition @ norm.bias.weight.T
    torch.testing.assert_close(norm(x, condition), plain * gain[:, :, None, None] + bias[:, :, None, None])


def test_spectral_norm_is_put_on_every_layer_with_weights() -> None:
    network = spectral(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Sequential(nn.Linear(2, 2), nn.Embedding(3, 4))))
    assert sum("parametrizations.weight.original" in name for name, _ in network.named_parameters()) == 3


def test_features_are_sums_over_places() -> None:
    features = ResNetFeatures(4, (1, 8, 8))
    whole = nn.Sequential(*features)(torch.randn(2, 1, 8, 8))
    torch.manual_seed(0)
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(features(x), nn.Sequential(*features)(x).sum((2, 3)))
    assert whole.shape == (2, features.size, 2, 2)


def test_a_classes_generator_conditions_every_block() -> None:
    generator = ClassResNetGenerator(5, 4, (1, 8, 8), 3)
    assert sum(isinstance(m, ConditionalBatchNorm) for m in generator.modules()) == 4


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 32), (30, 21), (33, 47)])
def test_padding_makes_a_size_that_halves_evenly(size: tuple[int, int]) -> None:
    count, height, width = halvings(*size)
    images = padded(*size)(torch.ones(1, 1, *size))
    assert images.shape[2:] == (height << count, width << count)
    assert images.sum() == size[0] * size[1]
