"""VAE whose prior is a normalising flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from genkit.models import VAE, DataInfo, Preset
from genkit.models.vae import LearnedPriorVAE
from genkit_vaes.conv_vae import ConvVAE, ConvVAEOptions


@dataclass
class FlowVAEOptions(ConvVAEOptions):
    """``flows``: coupling layers of the prior, each with two hidden layers of ``flow_width`` units."""

    latent: Annotated[int, Ge(2)] = 32
    flows: Annotated[int, Ge(1)] = 6
    flow_width: Annotated[int, Ge(1)] = 128


class FlowVAE(LearnedPriorVAE, ConvVAE):
    """A VAE with a RealNVP prior (arXiv:1605.08803, 1611.02731): ``-log p(x | z) + log q(z | x) - log p(z)``.

    log p(z) = log N(f(z); 0, 1) + log |det df/dz|.
    """

    Options = FlowVAEOptions
    presets = {
        "digits": Preset(images=150_000, batch=64, options={"latent": 16}),
        "mnist": Preset(images=300_000, batch=64, options={"width": 16}),
        "default": Preset(images=300_000, batch=64, options={"latent": 64, "width": 16}),
        "gpu": Preset(images=10_000_000, batch=256, options={"latent": 128, "width": 64, "flow_width": 512}),
    }

    def __init__(self, options: FlowVAEOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.flow = RealNVP(options.latent, options.flow_width, options.flows)

    def log_prior(self, latent: Tensor) -> Tensor:
        """Return log p(z) [...] of latents [..., latent]: the change of variables."""
        noise, log_det = self.flow(latent)
        log_p: Tensor = VAE.log_prior(self, noise) + log_det
        return log_p

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw latents [n, latent]: noise through the inverse flow."""
        return self.flow.inverse(self.noise(n, generator=generator))


class RealNVP(nn.Module):
    """Affine coupling layers between latents [..., size] and noise; the identity before training."""

    def __init__(self, size: int, width: int, flows: int) -> None:
        super().__init__()
        self.kept = size // 2
        moved = size - self.kept
        # Each layer reverses the order of dimensions, so the next one transforms what this one kept.
        self.networks = nn.ModuleList(coupling_network(self.kept, width, 2 * moved) for _ in range(flows))

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Return noise [..., size] and the log-determinant [...] of the map from latents to noise."""
        total = latent.new_zeros(latent.shape[:-1])
        for network in self.networks:
            kept, moved = latent[..., : self.kept], latent[..., self.kept :]
            shift, log_scale = self._affine(network, kept)
            latent = torch.cat([kept, (moved - shift) * (-log_scale).exp()], dim=-1).flip(-1)
            total = total - log_scale.sum(-1)
        return latent, total

    def inverse(self, noise: Tensor) -> Tensor:
        """Return the latents [..., size] of noise."""
        for network in reversed(self.networks):
            noise = noise.flip(-1)
            kept, moved = noise[..., : self.kept], noise[..., self.kept :]
            shift, log_scale = self._affine(network, kept)
            noise = torch.cat([kept, moved * log_scale.exp() + shift], dim=-1)
        return noise

    @staticmethod
    def _affine(network: nn.Module, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Return the shift, and the log-scale bounded to (-2, 2), of the transformed part."""
        shift, raw = network(kept).chunk(2, dim=-1)
        return shift, 2 * torch.tanh(raw / 2)


def coupling_network(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Return [..., inputs] -> [..., outputs] with two hidden layers; its output is 0 before training."""
    last = nn.Linear(width, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), last)
