"""Networks of a hierarchical VAE: bottom-up from an image, top-down through the latents (arXiv:2011.10650)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from genkit.models.layers import Size
from genkit.models.losses import gaussian_kl_between
from genkit.models.precision import promoted
from genkit.models.vae import bounded_log_variance


@dataclass
class Descent:
    """Results of one stochastic layer, or of the whole top-down pass.

    ``output``: the layer's state, or the likelihood parameters of the pass; ``kl``: KL(q_l | p_l) [N], summed over
    layers; ``log_ratio``: log p(z) - log q(z | x) [N] at the draw; ``latent``: the draw, standardised by the prior.
    """

    output: Tensor
    kl: Tensor
    log_ratio: Tensor
    latent: Tensor


class BottomUp(nn.Module):
    """Image [N, C, H, W] -> features [N, width, H', W'] for each grid of ``sizes``, the finest first.

    Each grid is half the one before, rounded up, down to 4 to 7 pixels; the last is 1 x 1.
    """

    def __init__(self, shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.sizes: list[Size] = [shape[1:]]
        while min(self.sizes[-1]) >= 8:
            rows, columns = self.sizes[-1]
            self.sizes.append((math.ceil(rows / 2), math.ceil(columns / 2)))
        coarsest = self.sizes[-1]
        self.sizes.append((1, 1))
        self.first = nn.Conv2d(shape[0], width, 3, padding=1)
        # The last step, to a single position, is dense: a mean over positions would lose where things are.
        self.dense = nn.Conv2d(width, width, coarsest)
        self.blocks = nn.ModuleList(bottleneck(width, width, size, 1 / len(self.sizes)) for size in self.sizes)

    def forward(self, images: Tensor) -> dict[Size, Tensor]:
        """Return the features on every grid."""
        state, features = self.first(images), {}
        for size, block in zip(self.sizes, self.blocks, strict=True):
            if size == (1, 1):
                state = self.dense(state)
            elif state.shape[2:] != size:
                state = avg_pool2d(state, 2, ceil_mode=True, count_include_pad=False)
            state = state + block(state)
            features[size] = state
        return features


class TopDown(nn.Module):
    """Latents [N, latent] of all layers, coarsest first -> likelihood parameters [N, outputs, H, W]."""

    def __init__(self, sizes: list[Size], width: int, latent: int, layers: int, outputs: int) -> None:
        super().__init__()
        self.grids = [size for size in reversed(sizes) for _ in range(layers)]
        # A learned state for each grid, without which a convolution sees the same at all its positions.
        self.starts = nn.ParameterDict({str(size): torch.zeros(1, width, *size) for size in sizes})
        self.dense = nn.ConvTranspose2d(width, width, sizes[-2])
        scale = 1 / len(self.grids)
        self.layers = nn.ModuleList(StochasticLayer(width, latent, grid, scale) for grid in self.grids)
        self.last = nn.Conv2d(width, outputs, 3, padding=1)
        self.counts = [latent * math.prod(grid) for grid in self.grids]
        self.latent = sum(self.counts)

    def forward(self, latent: Tensor) -> Tensor:
        """Return the likelihood parameters of standardised latents [N, latent]."""
        return self.descend(latent, {}).output

    def descend(self, noise: Tensor, features: Mapping[Size, Tensor]) -> Descent:
        """Run the top-down pass with noise [N, latent]: draws of the posteriors given features, else of the priors."""
        state = self.starts[str(self.grids[0])].expand(len(noise), -1, -1, -1)
        passed: list[Descent] = []
        for grid, layer, part in zip(self.grids, self.layers, noise.split(self.counts, dim=1), strict=True):
            if state.shape[2:] != grid:
                wider = self.dense(state) if state.shape[2:] == (1, 1) else interpolate(state, size=grid)
                state = wider + self.starts[str(grid)]
            passed.append(layer(state, part.unflatten(1, (-1, *grid)), features.get(grid)))
            state = passed[-1].output
        kl, log_ratio = (torch.stack(each).sum(0) for each in zip(*((d.kl, d.log_ratio) for d in passed), strict=True))
        return Descent(
            promoted(self.last(state)), kl, log_ratio, torch.cat([d.latent.flatten(1) for d in passed], dim=1)
        )


class StochasticLayer(nn.Module):
    """A layer of latents: p(z_l | state), q(z_l | state, features), and the branch that adds z_l to the state.

    ``scale``: initial variance of each residual branch, chosen so that the variances of all layers add up to 1.
    """

    def __init__(self, width: int, latent: int, size: Size, scale: float) -> None:
        super().__init__()
        self.sizes = [latent, latent, width]
        self.prior = bottleneck(width, sum(self.sizes), size, 0.0)  # p is N(0, 1) at first
        self.posterior = bottleneck(2 * width, 2 * latent, size)
        self.project = scaled(nn.Conv2d(latent, width, 1), scale)
        self.residual = bottleneck(width, width, size, scale)

    def forward(self, state: Tensor, noise: Tensor, features: Tensor | None) -> Descent:
        """Draw z_l from q_l given features, else from p_l, with noise [N, latent, H, W]; add it to the state."""
        prior_mean, raw, residual = promoted(self.prior(state)).split(self.sizes, dim=1)
        prior_log_variance = bounded_log_variance(raw)
        mean, log_variance = prior_mean, prior_log_variance
        if features is not None:
            mean, raw = promoted(self.posterior(torch.cat([state, features], dim=1))).chunk(2, dim=1)
            log_variance = bounded_log_variance(raw)
        drawn = mean + (0.5 * log_variance).exp() * noise
        latent = (drawn - prior_mean) * (-0.5 * prior_log_variance).exp()
        # log p - log q, in which the constants of the two Gaussians cancel.
        log_ratio = 0.5 * (noise.square() + log_variance - latent.square() - prior_log_variance).flatten(1).sum(1)
        state = state + residual + self.project(drawn)
        kl = gaussian_kl_between(mean, log_variance, prior_mean, prior_log_variance)
        return Descent(state + self.residual(state), kl, log_ratio, latent)


def bottleneck(inputs: int, outputs: int, size: Size, scale: float = 1.0) -> nn.Sequential:
    """Return [N, inputs, H, W] -> [N, outputs, H, W] through half the channels; 1 x 1 instead of 3 x 3 on one pixel."""
    middle, kernel = max(1, inputs // 2), 3 if size != (1, 1) else 1
    return nn.Sequential(
        nn.SiLU(),
        nn.Conv2d(inputs, middle, 1),
        nn.SiLU(),
        nn.Conv2d(middle, middle, kernel, padding=kernel // 2),
        nn.SiLU(),
        scaled(nn.Conv2d(middle, outputs, 1), scale),
    )


def scaled(layer: nn.Conv2d, scale: float) -> nn.Conv2d:
    """Multiply a layer's weights by the square root of ``scale`` and zero its bias; return it."""
    with torch.no_grad():
        layer.weight.mul_(math.sqrt(scale))
        if layer.bias is not None:
            layer.bias.zero_()
    return layer
