"""VQ-VAE: an autoencoder whose latents are entries of a codebook."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn.functional import one_hot

from genkit.models import Batch, DataInfo, Phase, Preset, Step
from genkit.models.codebook import AverageCodebook, LearnedCodebook
from genkit.models.layers import halvings
from genkit.models.precision import full_precision, promoted
from genkit.models.vae import Autoencoder
from genkit_vaes.networks import doubling, halving
from genkit_vaes.splits import map_split, random_images

if TYPE_CHECKING:
    from genkit.data import Split


@dataclass
class VQVAEOptions:
    """``codebook``: learned as moving averages or by gradient; ``commitment``: weight of the commitment loss."""

    codebook: Literal["average", "gradient"] = "average"
    codes: Annotated[int, Ge(2)] = 256
    size: Annotated[int, Ge(1)] = 16
    commitment: Annotated[float, Ge(0)] = 0.25
    width: Annotated[int, Ge(1)] = 32
    learning_rate: Annotated[float, Gt(0)] = 1e-3


class VQVAE(Autoencoder):
    """``|x - x'|^2 + |sg[z] - e|^2 + .25 |z - sg[e]|^2``, per image, with z a grid of vectors (arXiv:1711.00937).

    The autoencoder only, without an autoregressive model of the codes: ``sample`` draws the code of each position
    independently, with its frequency there in the training images (counted in the second stage, which has no phases).
    Samples are therefore far less coherent than reconstructions.
    """

    Options = VQVAEOptions
    stages = 2
    presets = {
        "digits": Preset(images=150_000, batch=64, options={"codes": 64}),
        "mnist": Preset(images=300_000, batch=64, options={"width": 16}),
        "default": Preset(images=300_000, batch=64, options={"width": 16}),
        "gpu": Preset(images=10_000_000, batch=256, options={"codes": 1024, "size": 64, "width": 64}),
    }
    frequencies: Tensor

    def __init__(self, options: VQVAEOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        count, *self.grid = halvings(*data.shape[1:], most=2)
        width = options.width
        self.encoder = nn.Sequential(*halving(data.shape[0], width, count), nn.Conv2d(width << count, options.size, 1))
        unpack = [nn.Conv2d(options.size, width << count, 3, padding=1), nn.SiLU()]
        self.decoder = nn.Sequential(*unpack, *doubling(width, data.shape[0], count, data.shape[1:]), nn.Sigmoid())
        codebooks = {"average": AverageCodebook, "gradient": LearnedCodebook}
        self.codebook = codebooks[options.codebook](options.codes, options.size)
        positions = self.grid[0] * self.grid[1]
        self.register_buffer("frequencies", torch.full((positions, options.codes), 1 / options.codes))

    def phases(self) -> list[Phase]:
        """Return the one phase: Adam over all networks."""
        rate = self.options.learning_rate
        return [Phase("autoencoder", self, torch.optim.Adam(self.parameters(), lr=rate, fused=True))]

    def loss(self, phase: str, batch: Batch, step: Step) -> Tensor:
        """Return the batch's mean loss, with terms summed over each image; log them unweighted."""
        encoded = self._encode(batch.images)
        with full_precision(encoded.device):
            tokens = self.codebook.nearest(encoded)
            quantised = self.codebook(tokens)
            self.codebook.record(encoded, tokens)
        straight_through = encoded + (quantised - encoded).detach()
        rec = (self.decode(straight_through) - batch.images).square().flatten(1).sum(1).mean()
        codebook = self.codebook.loss(encoded, quantised).flatten(1).sum(1).mean()
        commitment = (encoded - quantised.detach()).square().flatten(1).sum(1).mean()
        step.log(rec=rec, commitment=commitment)
        total: Tensor = rec + codebook + self.options.commitment * commitment
        return total

    def after_step(self, step: Step) -> None:
        """Update a codebook of averages."""
        self.codebook.update(step)

    def prepare_stage(self, stage: int, train_data: Split, step: Step) -> None:
        """Initialise the codebook with training latents; in the second stage, count the codes of each position."""
        if stage == 0:
            with torch.no_grad():
                latents = self._encode(random_images(train_data, self.options.codes, step.generator)).flatten(1, 2)
            position = torch.randint(latents.shape[1], (len(latents),), generator=step.generator, device=latents.device)
            self.codebook.initialise(latents[torch.arange(len(latents)), position])
        else:
            counts = map_split(train_data, self._counts, self.device).sum(0)
            self.frequencies.copy_(counts / counts.sum(1, keepdim=True))

    def tokens(self, images: Tensor) -> Tensor:
        """Return the codebook indices [N, H', W'] of images."""
        tokens: Tensor = self.codebook.nearest(self._encode(images))
        return tokens

    def encode(self, images: Tensor) -> Tensor:
        """Return the quantised latents [N, H', W', size]."""
        quantised: Tensor = self.codebook(self.tokens(images))
        return quantised

    def decode(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the images in [0, 1] of latents [N, H', W', size]."""
        return promoted(self.decoder(latent.movedim(-1, 1)))

    def draw_latent(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Draw latents [n, H', W', size]: each position's code independently, by its frequency there."""
        tokens = torch.multinomial(self.frequencies, n, replacement=True, generator=generator)
        drawn: Tensor = self.codebook(tokens.T.reshape(n, *self.grid))
        return drawn

    def log_prior(self, latent: Tensor) -> Tensor:
        """Return a log-density [N] of latents [N, H', W', size]: that of ``draw_latent``, smoothed to have gradients.

        At each position it is a mixture of Gaussians at the codes, weighted by their frequencies there. Their standard
        deviation, as a vector's length, is about half the distance between neighbouring codes.
        """
        flat = latent.flatten(1, -2)
        distance = self.codebook.squared_distances(flat)
        variance = (self.codebook.spacing() / 4).clamp_min(1e-8) / flat.shape[-1]
        log_p = -0.5 * (distance / variance + flat.shape[-1] * (2 * math.pi * variance).log())
        return torch.logsumexp(self.frequencies.log() + log_p, dim=-1).sum(-1)

    def _encode(self, images: Tensor) -> Tensor:
        """Return the latents [N, H', W', size] before quantisation, in at least float32."""
        return promoted(self.encoder(images)).movedim(1, -1)

    def _counts(self, images: Tensor) -> Tensor:
        """Return counts [1, positions, codes]: how often each position has each code in a chunk of images."""
        return one_hot(self.tokens(images).flatten(1), self.options.codes).sum(0, keepdim=True)
