"""Winograd's convolution against torch's in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from genkit.features.winograd import convolve, transformed_kernel


def plain(x, weight, bias, padding):
    return F.conv2d(x.double(), weight.double(), bias.double(), padding=padding).relu()


def draw(*shape, inputs=5, outputs=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=generator).to(memory_format=torch.channels_last)
    weight = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
    return x, weight, torch.randn(outputs, generator=generator)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize(("height", "width"), [(3, 3), (4, 9), (6, 6), (7, 5), (8, 10), (9, 37), (70, 73)])
def test_it_is_a_convolution_with_bias_and_relu_whatever_the_size(height, width, padding):
    x, weight, bias = draw(2, 5, height, width)
    found = convolve(x, transformed_kernel(weight), bias, padding)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.double(), plain(x, weight, bias, padding), rtol=1e-5, atol=2e-5)


def test_in_float64_it_is_exact():
    x, weight, bias = (t.double() for t in draw(1, 5, 30, 30))
    found = convolve(x, transformed_kernel(weight), bias, 1)
    torch.testing.assert_close(found, plain(x, weight, bias, 1), rtol=1e-12, atol=1e-12)


def test_its_rounding_is_that_of_good_points():
    # the textbook's points 0, 1, -1, 2, -2 err five times as much
    x, weight, bias = draw(1, 80, 73, 73, inputs=80, outputs=192)
    x = x.relu()
    expected = plain(x, weight, bias, 0)
    found = convolve(x, transformed_kernel(weight), bias, 0)
    assert float((found - expected).abs().max() / expected.abs().max()) < 3e-6
