"""Convolutions by their spectra against torch's in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from genkit.features.cyclic import LONGEST, _transforms, convolve, transformed_kernel

PADDING = {2: (3, 0), 3: (0, 3)}


def draw(axis, height=17, width=17, inputs=5, outputs=7):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, inputs, height, width, generator=generator).to(memory_format=torch.channels_last)
    taps = (7, 1) if axis == 2 else (1, 7)
    weight = torch.randn(outputs, inputs, *taps, generator=generator) * (2 / (7 * inputs)) ** 0.5
    return x, weight, torch.randn(outputs, generator=generator)


def plain(x, weight, bias, axis):
    return F.conv2d(x.double(), weight.double(), bias.double(), padding=PADDING[axis]).relu()


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize(("height", "width"), [(17, 17), (1, 1), (3, 16), (16, 3), (17, 18), (18, 17)])
def test_it_is_a_convolution_with_bias_and_relu_to_the_last_pixel(axis, height, width):
    x, weight, bias = draw(axis, height, width)
    if x.shape[axis] > LONGEST:
        with pytest.raises(ValueError, match="at most 17 pixels are convolved with a period of 20, not 18"):
            convolve(x, transformed_kernel(weight), bias, axis)
        return
    found = convolve(x, transformed_kernel(weight), bias, axis)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.double(), plain(x, weight, bias, axis), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [2, 3])
def test_in_float64_it_is_exact(axis):
    x, weight, bias = (t.double() for t in draw(axis))
    found = convolve(x, transformed_kernel(weight), bias, axis)
    torch.testing.assert_close(found, plain(x, weight, bias, axis), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axis", [2, 3])
def test_it_rounds_no_worse_than_a_plain_sum(axis):
    x, weight, bias = draw(axis, inputs=192, outputs=192)
    x = x.relu()
    expected = plain(x, weight, bias, axis)
    ours = (convolve(x, transformed_kernel(weight), bias, axis) - expected).abs().max()
    sums = (F.conv2d(x, weight, bias, padding=PADDING[axis]).relu() - expected).abs().max()
    assert ours <= sums


def test_an_empty_batch_stays_empty():
    x, weight, bias = draw(2)
    assert convolve(x[:0], transformed_kernel(weight), bias, 2).shape == (0, 7, 17, 17)


def test_its_transforms_are_made_in_float64_whatever_is_the_default():
    x, weight, bias = draw(2)
    expected = convolve(x, transformed_kernel(weight), bias, 2)
    _transforms.cache_clear()
    torch.set_default_dtype(torch.float16)
    try:
        with torch.device("meta"):
            found = convolve(x, transformed_kernel(weight), bias, 2)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found, expected)
