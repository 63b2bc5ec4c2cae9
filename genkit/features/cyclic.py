"""1x7 and 7x1 convolutions by the Fourier transform: 29 products per line of 17 pixels instead of 119.

A cyclic convolution of period 20 is a product of spectra (Winograd 1980, Arithmetic Complexity of Computations). The
spectrum of a real signal has 2 real and 9 complex coefficients, and a complex product takes three real ones (Gauss).
The transforms are matrices of sines and cosines. Rounding errors are relative to the largest value of a line, so they
are no larger than the plain sum's where values are of similar size.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

TAPS, PERIOD = 7, 20
LONGEST = PERIOD - TAPS // 2
"""The longest line, in pixels: beyond it the cyclic convolution would wrap around onto pixels instead of padding."""


def transformed_kernel(weight: Tensor) -> Tensor:
    """Return the spectrum of a kernel [out, in, 7, 1] or [out, in, 1, 7]: [29, in, out], computed in float64."""
    _, kernel, _ = _transforms(LONGEST)
    spectrum = torch.einsum("pk,oik->pio", kernel, weight.double().flatten(2))
    return spectrum.to(weight.dtype).contiguous()


def convolve(x: Tensor, kernel: Tensor, bias: Tensor, axis: int) -> Tensor:
    """Return ReLU of the convolution of channels_last [N, in, H, W], padded to its own size, along axis 2 or 3.

    The result is channels_last [N, out, H, W]. Raises ValueError if that axis has more than 17 pixels.
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
    products[0] += bias * PERIOD  # the coefficient of frequency 0
    at_points = products.view(len(data), count, rest * outputs).transpose(0, 1)
    result = torch.bmm(output.expand(count, -1, -1), at_points)
    return result.relu_().view(n, height, width, outputs).permute(0, 3, 1, 2)


@functools.cache
def _transforms(length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the transforms of the data [29, length], kernel [29, 7] and output [length, 29], in float64."""
    if length > LONGEST:
        raise ValueError(f"at most {LONGEST} pixels are convolved with a period of {PERIOD}, not {length}")
    pixels = torch.arange(length, dtype=torch.float64, device="cpu")
    taps = torch.arange(TAPS, dtype=torch.float64, device="cpu") - TAPS // 2
    data, kernel, output = [], [], []
    for frequency in range(PERIOD // 2 + 1):
        angle = 2 * math.pi * frequency / PERIOD
        a, b = (angle * pixels).cos(), -(angle * pixels).sin()
        c, d = (angle * taps).cos(), (angle * taps).sin()
        if 2 * frequency % PERIOD == 0:  # real
            data.append(a)
            kernel.append(c)
            output.append(a / PERIOD)
        else:  # (a + ib)(c + id), and twice the real part of the inverse, for the conjugate
            data += [a + b, a, b]
            kernel += [c, d - c, c + d]
            output += [2 * (a + b) / PERIOD, 2 * b / PERIOD, -2 * a / PERIOD]
    return torch.stack(data), torch.stack(kernel), torch.stack(output, 1)
