"""Quantisers: vectors of a tokenizer's grid to tokens and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from genkit.models import Step
from genkit.models.codebook import AverageCodebook

EPSILON = 1e-3
"""The outermost levels of FSQ are reached by finite vectors."""


class Quantiser(nn.Module):
    """Base of quantisers: ``codes`` tokens for vectors of ``size`` numbers; nothing is learned by default."""

    codes: int
    size: int
    begins_with_vectors: ClassVar[bool] = False
    """Whether ``initialise`` is to be called."""

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the quantised vectors with the straight-through gradient, their tokens, and a loss."""
        raise NotImplementedError(f"{type(self).__name__} does not quantise")

    def lookup(self, tokens: Tensor) -> Tensor:
        """Return the vectors [..., size] of tokens [...]."""
        raise NotImplementedError(f"{type(self).__name__} has no vectors")

    def levels_of_codes(self) -> Tensor:
        """Return which levels each code has, 0 or 1 [codes, levels of all dimensions]; none by default."""
        return torch.zeros(self.codes, 0)

    def initialise(self, vectors: Tensor) -> None:
        """Begin with some of the encoder's vectors [n, size]."""

    def update(self, step: Step) -> None:
        """Follow the encoder's vectors after a training step."""


class FSQ(Quantiser):
    """Finite scalar quantisation: each dimension of a bounded vector is rounded to one of its levels.

    With L levels, half = (L - 1)(1 + eps) / 2 and off = 1/2 for even L, else 0, a number z becomes
    ``round(tanh(z + atanh(off / half)) half - off) / floor(L / 2)`` (arXiv:2309.15505). Nothing is learned, no code can
    die. A token is the number with the levels as its digits, the first dimension's the least significant.
    """

    reach: Tensor
    offset: Tensor
    middle: Tensor
    bases: Tensor
    levels: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        count = torch.tensor(levels)
        self.codes, self.size = int(count.prod()), len(levels)
        self.register_buffer("levels", count, persistent=False)
        self.register_buffer("reach", (count - 1) * (1 + EPSILON) / 2, persistent=False)
        self.register_buffer("offset", torch.where(count % 2 == 0, 0.5, 0.0), persistent=False)
        self.register_buffer("middle", count // 2, persistent=False)
        self.register_buffer("bases", torch.cat([torch.ones(1).long(), count.cumprod(0)[:-1]]), persistent=False)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the quantised vectors [..., size] with the straight-through gradient, tokens [...] and a zero loss."""
        bounded = torch.tanh(vectors + torch.atanh(self.offset / self.reach)) * self.reach - self.offset
        rounded = bounded + (bounded.round() - bounded).detach()
        digits = bounded.detach().round().long() + self.middle
        return rounded / self.middle, (digits * self.bases).sum(-1), vectors.new_zeros(())

    def lookup(self, tokens: Tensor) -> Tensor:
        """Return the vectors [..., size] of tokens [...]."""
        return (self.digits(tokens) - self.middle) / self.middle

    def digits(self, tokens: Tensor) -> Tensor:
        """Return the level in each dimension [..., size] of tokens [...], from 0."""
        return tokens[..., None].div(self.bases, rounding_mode="floor") % self.levels

    def levels_of_codes(self) -> Tensor:
        """Return which levels each code has, 0 or 1 [codes, levels of all dimensions]: one in each dimension."""
        digits = self.digits(torch.arange(self.codes, device=self.levels.device))
        each = zip(digits.unbind(1), self.levels.tolist(), strict=True)
        return torch.cat([one_hot(level, count) for level, count in each], 1).float()


class VQ(Quantiser):
    """Vector quantisation with a codebook of moving averages, whose unused vectors restart (arXiv:1711.00937).

    The loss is ``commitment`` |z - sg[e]|^2, which pulls the encoder alone; the averages move the codebook.
    """

    begins_with_vectors = True

    def __init__(self, codes: int, size: int, commitment: float) -> None:
        super().__init__()
        self.codes, self.size, self.commitment = codes, size, commitment
        self.codebook = AverageCodebook(codes, size)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the nearest vectors [..., size] with the straight-through gradient, tokens [...], and the loss."""
        tokens = self.codebook.nearest(vectors)
        nearest = self.codebook(tokens)
        if self.training:
            self.codebook.record(vectors, tokens)
        loss = self.commitment * (vectors - nearest).square().mean()
        return vectors + (nearest - vectors).detach(), tokens, loss

    def lookup(self, tokens: Tensor) -> Tensor:
        """Return the vectors [..., size] of tokens [...]."""
        vectors: Tensor = self.codebook(tokens)
        return vectors

    def initialise(self, vectors: Tensor) -> None:
        """Set the codebook to some of the vectors [n, size]."""
        self.codebook.initialise(some_of(vectors, self.codes))

    def update(self, step: Step) -> None:
        """Move the averages after a training step."""
        self.codebook.update(step)


def some_of(vectors: Tensor, count: int) -> Tensor:
    """Return the first ``count`` of vectors [n, size], and some again where there are too few."""
    return vectors[torch.arange(count, device=vectors.device) % len(vectors)]
