"""Layers of StyleGAN2: equalised learning rates, modulated convolutions, noise (arXiv:1912.04958)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, linear

LEAK, GAIN = 0.2, math.sqrt(2)


class Leaky(nn.Module):
    """Leaky ReLU that preserves the variance."""

    def forward(self, x: Tensor) -> Tensor:
        """Return leaky ReLU times the square root of 2."""
        return leaky_relu(x, LEAK) * GAIN


class UnitLength(nn.Module):
    """Scales each latent to a mean square of 1."""

    def forward(self, latent: Tensor) -> Tensor:
        """Return [N, latent]."""
        return latent * (latent.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class EqualLinear(nn.Module):
    """Dense layer with an equalised learning rate: weights from N(0, 1), scaled at run time (arXiv:1710.10196).

    ``rate``: factor on this layer's learning rate.
    """

    def __init__(self, i: int, o: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(o, i) / rate)
        self.bias = nn.Parameter(torch.full((o,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(i), rate

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, o]."""
        return linear(x, self.weight * self.scale, self.bias * self.rate)


class EqualConv(nn.Module):
    """Convolution with an equalised learning rate and same padding."""

    def __init__(self, i: int, o: int, kernel: int = 3, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(o, i, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(o)) if bias else None
        self.scale = 1 / math.sqrt(i * kernel**2)

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, o, H, W]."""
        return conv2d(x, self.weight * self.scale, self.bias, padding=self.weight.shape[2] // 2)


class ModulatedConv(EqualConv):
    """Convolution whose input channels are scaled by a style, per image (equation 1)."""

    def __init__(self, i: int, o: int, style: int, kernel: int = 3) -> None:
        super().__init__(i, o, kernel, bias=False)
        self.style = EqualLinear(style, i, bias=1.0)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:  # type: ignore[override]
        """Return [N, o, H, W] for styles w [N, style]."""
        return super().forward(x * self.style(w)[:, :, None, None])


class DemodulatedConv(ModulatedConv):
    """Modulated convolution with outputs normalised to unit variance (equation 3).

    It scales activations where the paper scales weights: equivalent, and one ordinary convolution.
    """

    def forward(self, x: Tensor, w: Tensor) -> Tensor:  # type: ignore[override]
        """Return [N, o, H, W] for styles w [N, style]."""
        power = self.style(w).square() @ (self.weight * self.scale).square().sum((2, 3)).T
        result: Tensor = super().forward(x, w) * (power + 1e-8).rsqrt()[:, :, None, None]
        return result


class Noise(nn.Module):
    """Adds noise, the same to all channels, with a learned strength that starts at 0."""

    fixed: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("fixed", torch.randn(1, 1, height, width))

    def forward(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return x plus noise, drawn per image with the generator, or fixed without one."""
        noise = self.fixed
        if generator is not None:
            noise = torch.randn(len(x), *noise.shape[1:], generator=generator, device=x.device)
        return x + self.strength * noise


class Styled(nn.Module):
    """A layer of the synthesis network: modulated convolution, noise, bias, leaky ReLU."""

    def __init__(self, i: int, o: int, style: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.conv = DemodulatedConv(i, o, style)
        self.noise = Noise(*size)
        self.bias = nn.Parameter(torch.zeros(o, 1, 1))

    def forward(self, x: Tensor, w: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return [N, o, H, W]."""
        return leaky_relu(self.noise(self.conv(x, w), generator) + self.bias, LEAK) * GAIN


class BatchDeviation(nn.Module):
    """Appends the batch's mean standard deviation as a channel, which exposes mode collapse (arXiv:1710.10196)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, C + 1, H, W]; the last channel is the features' standard deviation over the batch, averaged."""
        deviation = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
        return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], dim=1)
