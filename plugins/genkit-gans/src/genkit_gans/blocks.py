"""Blocks of the residual GANs: up- and downsampling, attention, conditional and spectral normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from genkit.models.precision import full_precision

M = TypeVar("M", bound=nn.Module)


class Residual(nn.Module):
    """The sum of a branch and a shortcut."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return branch(x) + shortcut(x)."""
        total: Tensor = self.branch(x) + self.shortcut(x)
        return total


def first_block(i: int, o: int) -> Residual:
    """Return a discriminator's first block, which halves; no ReLU on the input, which would clip negative pixels."""
    branch = nn.Sequential(conv3(i, o), nn.ReLU(), conv3(o, o), nn.AvgPool2d(2))
    return Residual(branch, nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(i, o, 1)))


def down_block(i: int, o: int) -> Residual:
    """Return a pre-activation block that halves height and width."""
    branch = nn.Sequential(nn.ReLU(), conv3(i, o), nn.ReLU(), conv3(o, o), nn.AvgPool2d(2))
    return Residual(branch, nn.Sequential(nn.Conv2d(i, o, 1), nn.AvgPool2d(2)))


def plain_block(channels: int) -> Residual:
    """Return a pre-activation block that keeps the size."""
    branch = nn.Sequential(nn.ReLU(), conv3(channels, channels), nn.ReLU(), conv3(channels, channels))
    return Residual(branch, nn.Identity())


class UpBlock(nn.Module):
    """A residual block that doubles height and width; its normalisations may take a condition."""

    def __init__(self, i: int, o: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.norms = nn.ModuleList([norm(i), norm(o)])
        self.convs = nn.ModuleList([conv3(i, o), conv3(o, o)])
        self.enlarge = nn.Upsample(scale_factor=2)
        self.shortcut = nn.Conv2d(i, o, 1)

    def forward(self, x: Tensor, *condition: Tensor) -> Tensor:
        """Return [N, o, 2H, 2W]."""
        branch = self.convs[0](self.enlarge(self.norms[0](x, *condition).relu()))
        branch = self.convs[1](self.norms[1](branch, *condition).relu())
        total: Tensor = branch + self.enlarge(self.shortcut(x))
        return total


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose gain and bias are linear in a condition (arXiv:1707.00683)."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(condition, channels, bias=False)
        self.bias = nn.Linear(condition, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return [N, C, H, W] under a condition [N, D]."""
        gain, bias = self.gain(condition), self.bias(condition)
        result: Tensor = self.norm(x) * (1 + gain[:, :, None, None]) + bias[:, :, None, None]
        return result


class SelfAttention(nn.Module):
    """Self-attention over all positions, with a gain that starts at 0 (arXiv:1805.08318).

    Written with plain matrix products, since fused kernels have no second derivative.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key = (nn.Conv2d(channels, max(1, channels // 8), 1, bias=False) for _ in range(2))
        self.value = nn.Conv2d(channels, max(1, channels // 2), 1, bias=False)
        self.out = nn.Conv2d(max(1, channels // 2), channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return x + gamma * attention, [N, C, H, W]."""
        query, key, value = (part(x).flatten(2) for part in (self.query, self.key, self.value))
        weights = (query.transpose(1, 2) @ key).softmax(dim=2)
        attended = (value @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        result: Tensor = x + self.gamma * self.out(attended)
        return result


def conv3(i: int, o: int) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the size."""
    return nn.Conv2d(i, o, 3, padding=1)


def spectral(network: M) -> M:
    """Give every convolution, dense layer and embedding spectral normalisation (arXiv:1802.05957); return the network.

    Power iteration takes one step per forward pass in training mode, and none in evaluation mode.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
            spectral_norm(module)
    return network


def xavier_init(module: nn.Module) -> None:
    """Draw Glorot-uniform weights and zero biases; for ``Module.apply``, before ``spectral``."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def orthogonality(network: nn.Module) -> Tensor:
    """Return the sum over weight matrices W of |W W^T without its diagonal|^2 (arXiv:1809.11096, equation 3).

    Computed in float32, also under autocast.
    """
    weights = [weight.flatten(1) for weight in network.parameters() if weight.ndim > 1]
    with full_precision(weights[0].device):
        products = [rows @ rows.T for rows in weights]
        return torch.stack([p.square().sum() - p.diagonal().square().sum() for p in products]).sum()


def orthogonal_init(module: nn.Module) -> None:
    """Draw orthogonal weights (arXiv:1312.6120); for ``Module.apply``, before ``spectral``.

    Embeddings stay N(0, 1): orthogonal rows have length 1, too small next to a latent for the class to matter.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.orthogonal_(module.weight)
