"""3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3): 36 products per tile instead of 144 (arXiv:1509.09308).

A 4x4 output tile is a product of polynomials: both are evaluated at five points and at infinity, multiplied there and
interpolated. Rounding differs from the plain sum's: with these points, which are reciprocals of each other, a layer's
float32 error is about twice as large, and that of Inception's features is below 1e-6 of the largest feature.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

TILE, TAPS = 4, 3
SIZE = TILE + TAPS - 1
POINTS = (0.0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)
BAND = 90
"""Tiles at a time: few enough that intermediate results stay in the cache."""


def transformed_kernel(weight: Tensor) -> Tensor:
    """Return a kernel [out, in, 3, 3] evaluated at the points: [36, in, out], computed in float64."""
    _, kernel, _ = _transforms()
    at_points = torch.einsum("ai,bj,ocij->abco", kernel, kernel, weight.double())
    return at_points.flatten(0, 1).to(weight.dtype).contiguous()


def convolve(x: Tensor, kernel: Tensor, bias: Tensor, padding: int) -> Tensor:
    """Return ReLU of the convolution of channels_last [N, in, H, W] with a transformed kernel, channels_last."""
    n, inputs, height, width = x.shape
    outputs = kernel.shape[2]
    rows, columns = height + 2 * padding - TAPS + 1, width + 2 * padding - TAPS + 1
    down, across = math.ceil(rows / TILE), math.ceil(columns / TILE)
    below, right = down * TILE + TAPS - 1 - height - padding, across * TILE + TAPS - 1 - width - padding
    data_transform, output_transform = _squared(x.dtype)
    result = x.new_empty(n, rows, columns, outputs)
    per_band = max(1, BAND // across)
    for image, into in zip(x.permute(0, 2, 3, 1), result, strict=True):
        padded = F.pad(image, (0, 0, padding, right, padding, below))
        tiles = padded.unfold(0, SIZE, TILE).unfold(1, SIZE, TILE)  # [down, across, in, 6, 6]
        for start in range(0, down, per_band):
            band = tiles[start : start + per_band].permute(3, 4, 0, 1, 2)
            height = band.shape[2]
            at_points = (data_transform @ band.reshape(SIZE**2, -1)).view(SIZE**2, -1, inputs)
            products = torch.bmm(at_points, kernel).view(SIZE**2, -1)
            tiles_out = (output_transform @ products).view(TILE, TILE, height, across, outputs)
            pixels = tiles_out.permute(2, 0, 3, 1, 4).reshape(height * TILE, across * TILE, outputs)
            target = into[start * TILE : (start + height) * TILE]
            torch.add(pixels[: len(target), :columns], bias, out=target)
    return result.relu_().permute(0, 3, 1, 2)


@functools.cache
def _squared(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the transforms of data and output for both axes at once: [36, 36] and [16, 36]."""
    data, _, output = _transforms()
    return torch.kron(data, data).to(dtype), torch.kron(output, output).to(dtype)


@functools.cache
def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Return the Toom-Cook transforms of data [6, 6], kernel [6, 3] and output [4, 6], in float64.

    The rows of the data's transform are scaled to a norm near 1, and the kernel's rows by the inverse.
    """
    like: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}  # whatever torch's default device is
    points = torch.tensor(POINTS, **like)
    data, kernel, output = (torch.zeros(size, **like) for size in ((SIZE, SIZE), (SIZE, TAPS), (TILE, SIZE)))
    for i, point in enumerate(points):
        others = torch.cat([points[:i], points[i + 1 :]])
        data[i, : SIZE - 1] = _coefficients(others)
        kernel[i] = point ** torch.arange(TAPS, device="cpu") / (point - others).prod()
        output[:, i] = point ** torch.arange(TILE, device="cpu")
    data[-1] = _coefficients(points)
    kernel[-1, -1] = output[-1, -1] = 1.0
    scale = 2.0 ** torch.log2(data.norm(dim=1)).round()  # powers of two cause no rounding
    return data / scale[:, None], kernel * scale[:, None], output


def _coefficients(roots: Tensor) -> Tensor:
    """Return the coefficients of prod (x - root), the constant first."""
    coefficients = torch.ones(1, dtype=torch.float64, device="cpu")
    for root in roots:
        coefficients = F.pad(coefficients, (1, 0)) - root * F.pad(coefficients, (0, 1))
    return coefficients
