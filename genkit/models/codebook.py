"""Codebooks of vector quantisation, learned by gradient or as moving averages."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, one_hot

from genkit.models.base import Step


class Codebook(nn.Module):
    """``vectors`` [codes, size], quantisation and look-up; subclasses define how the vectors are learned."""

    vectors: Tensor

    def nearest(self, encoded: Tensor) -> Tensor:
        """Return the index [...] of the vector nearest to each of [..., size]."""
        flat = encoded.detach().flatten(0, -2)
        # |z - e|^2 without |z|^2, which is the same for all e.
        distance = self.vectors.detach().square().sum(1) - 2 * flat @ self.vectors.detach().T
        return distance.argmin(1).reshape(encoded.shape[:-1])

    def squared_distances(self, latents: Tensor) -> Tensor:
        """Return the squared distances [..., codes] of [..., size] to every vector, exact also for small distances."""
        flat = latents.reshape(-1, latents.shape[-1])
        squared = torch.cdist(flat, self.vectors.detach(), compute_mode="donot_use_mm_for_euclid_dist").square()
        return squared.view(*latents.shape[:-1], -1)

    def spacing(self) -> Tensor:
        """Return the mean squared distance of a vector to its nearest neighbour."""
        between = self.squared_distances(self.vectors.detach()).fill_diagonal_(math.inf)
        return between.min(1).values.mean()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the vectors [..., size] of indices [...]."""
        return embedding(tokens, self.vectors)

    def loss(self, encoded: Tensor, quantised: Tensor) -> Tensor:
        """Return the codebook loss [...] of vectors [..., size]; zeros for a codebook learned without gradients."""
        return encoded.new_zeros(encoded.shape[:-1])

    @torch.no_grad()
    def initialise(self, vectors: Tensor) -> None:
        """Set the vectors [codes, size], e.g. to latents, so that more than one is used."""
        self.vectors.copy_(vectors)

    def record(self, encoded: Tensor, tokens: Tensor) -> None:
        """Record a batch of quantised vectors for ``update``; does nothing by default."""

    def update(self, step: Step) -> None:
        """Update the vectors after a training step; does nothing by default."""


class LearnedCodebook(Codebook):
    """Vectors learned by the gradient of ``|sg[z] - e|^2`` (arXiv:1711.00937)."""

    def __init__(self, codes: int, size: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(codes, size))

    def loss(self, encoded: Tensor, quantised: Tensor) -> Tensor:
        """Return ``|sg[z] - e|^2`` [...] of vectors [..., size]."""
        return (encoded.detach() - quantised).square().sum(-1)


class AverageCodebook(Codebook):
    """Vectors that are moving averages of the latents they quantise (arXiv:1711.00937, A.1); unused ones restart.

    A vector whose use falls below ``restart`` times the mean use is moved next to another one, chosen in proportion to
    its use, at the distance of a typical quantisation error. All training processes so restart vectors in the same way,
    without exchanging latents.
    """

    usage: Tensor
    totals: Tensor
    error: Tensor
    seen_usage: Tensor
    seen_totals: Tensor
    seen_error: Tensor

    def __init__(self, codes: int, size: int, decay: float = 0.99, restart: float = 0.03) -> None:
        super().__init__()
        self.decay, self.restart = decay, restart
        self.register_buffer("vectors", torch.randn(codes, size))
        self.register_buffer("usage", torch.ones(codes))
        self.register_buffer("totals", self.vectors.clone())
        self.register_buffer("error", torch.ones(()))
        # Sums over one step of this process; zero between steps, so checkpoints don't need them.
        self.register_buffer("seen_usage", torch.zeros(codes), persistent=False)
        self.register_buffer("seen_totals", torch.zeros(codes, size), persistent=False)
        self.register_buffer("seen_error", torch.zeros(()), persistent=False)

    @torch.no_grad()
    def initialise(self, vectors: Tensor) -> None:
        """Set the vectors [codes, size], each with a use of 1."""
        self.vectors.copy_(vectors)
        self.totals.copy_(vectors)

    @torch.no_grad()
    def record(self, encoded: Tensor, tokens: Tensor) -> None:
        """Sum up each vector's use, the latents it quantised, and the squared errors per dimension."""
        flat = encoded.detach().flatten(0, -2)
        members = one_hot(tokens.flatten(), len(self.vectors)).to(flat.dtype)
        self.seen_usage += members.sum(0)
        self.seen_totals += members.T @ flat
        self.seen_error += (flat - self(tokens.flatten())).square().mean(1).sum()

    @torch.no_grad()
    def update(self, step: Step) -> None:
        """Update the averages with the step's sums over all processes, then the vectors; restart unused ones."""
        usage, totals, error = (step.sum(seen) for seen in (self.seen_usage, self.seen_totals, self.seen_error))
        self.usage.lerp_(usage, 1 - self.decay)
        self.totals.lerp_(totals, 1 - self.decay)
        self.error.lerp_(error / usage.sum().clamp(min=1), 1 - self.decay)
        for seen in (self.seen_usage, self.seen_totals, self.seen_error):
            seen.zero_()
        self.vectors.copy_(self.totals / self.usage.clamp(min=1e-5)[:, None])
        self._restart(step.generator)

    def _restart(self, generator: torch.Generator) -> None:
        mean_use = self.usage.mean()
        dead = self.usage < self.restart * mean_use
        neighbour = torch.multinomial(self.usage, len(self.usage), replacement=True, generator=generator)
        noise = torch.randn(self.vectors.shape, generator=generator, device=self.vectors.device)
        moved = torch.where(dead[:, None], self.vectors[neighbour] + self.error.sqrt() * noise, self.vectors)
        self.vectors.copy_(moved)
        self.usage.copy_(torch.where(dead, mean_use, self.usage))
        self.totals.copy_(torch.where(dead[:, None], moved * mean_use, self.totals))
