"""Convolutions of 7 taps along one axis of 17 pixels as cyclic ones: 29 products where the plain sum takes 119.

A cyclic convolution of period 20 is a product of spectra (Winograd 1980, Arithmetic Complexity of Computations). Of a
real signal these have 2 real and 9 complex coefficients, and a complex product is three real ones (Gauss). The
transforms are matrices of sines and cosines, so that a layer of numbers of one size rounds no worse than the plain sum;
what it rounds is relative to the largest number of a line.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

TAPS, PERIOD = 7, 20
LONGEST = PERIOD - TAPS // 2
"""What the period's end lets in of its beginning falls onto padding up to this many pixels."""


def transformed_kernel(weight: Tensor) -> Tensor:
    """Return the spectrum of a kernel [out, in, 7, 1] or [out, in, 1, 7]: [29, in, out], computed in float64."""
    _, kernel, _ = _transforms(LONGEST)
    spectrum = torch.einsum("pk,oik->pio", kernel, weight.double().flatten(2))
    return spectrum.to(weight.dtype).contiguous()


def convolve(x: Tensor, kernel: Tensor, bias: Tensor, axis: int) -> Tensor:
    """Return ReLU of the convolution of channels_last [N, in, H, W], padded to its own size, along axis 2 or 3.

    That axis has at most 17 pixels: raise ValueError else. The result is channels_last [N, out, H, W].
    """
    n, inputs, height, width = x.shape
    outputs = kernel.shape[2]
    length = x.shape[axis]
    data, _, output = (t.to(x.dtype) for t in _transforms(length))
    count, rest = (n, width) if axis == 2 else (n * height, 1)
    lines = x.permute(0, 2, 3, 1).reshape(count, length, rest * inputs)
    spectra = x.new_empty(len(data), count, rest * inputs)
    torch.bmm(data.expand(count, -1, -1), lines, out=spectra.transpose(0, 1))
    products = torch.bmm(spectra.view(len(data), count * rest, inputs), kernel)
    products[0] += bias * PERIOD  # the constant's coefficient
    at_points = products.view(len(data), count, rest * outputs).transpose(0, 1)
    found = torch.bmm(output.expand(count, -1, -1), at_points)
    return found.relu_().view(n, height, width, outputs).permute(0, 3, 1, 2)


@functools.cache
def _transforms(length: int) -> tuple[Tensor, Tensor, Tensor]:
    """The data's [29, length], the kernel's [29, 7] and the output's [length, 29] transform, in float64."""
    if length > LONGEST:
        raise ValueError(f"at most {LONGEST} pixels are convolved with a period of {PERIOD}, not {length}")
    pixels = torch.arange(length, dtype=torch.float64, device="cpu")
    taps = torch.arange(TAPS, dtype=torch.float64, device="cpu") - TAPS // 2
    data, kernel, output = [], [], []
    for frequency in range(PERIOD // 2 + 1):
        turn = 2 * math.pi * frequency / PERIOD
        a, b = (turn * pixels).cos(), -(turn * pixels).sin()
        c, d = (turn * taps).cos(), (turn * taps).sin()
        if 2 * frequency % PERIOD == 0:  # real
            data.append(a)
            kernel.append(c)
            output.append(a / PERIOD)
        else:  # (a + ib)(c + id), and twice the real part of the inverse, for the conjugate
            data += [a + b, a, b]
            kernel += [c, d - c, c + d]
            output += [2 * (a + b) / PERIOD, 2 * b / PERIOD, -2 * a / PERIOD]
    return torch.stack(data), torch.stack(kernel), torch.stack(output, 1)
