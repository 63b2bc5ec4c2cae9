"""Guidance, filtering and drawing of tokens, in this order: guide, temperature, top-k, top-p, draw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from genkit_tokens.prefix import Prefix


@dataclass
class TokenSampling:
    """How tokens are drawn.

    ``guidance``: how strongly tokens follow the class, 0 not at all, 1 as the model itself; ``temperature``: divides
    logits. Guided logits are u + s (c - u) at guidance s, of the class's c and any class's u (arXiv:2207.12598).
    ``top_k``: only so many likeliest codes are drawn, 0: all; ``top_p``: only the
    likeliest codes that together have this probability.
    """

    guidance: Annotated[float, Ge(0), Le(1e3)] = 1.0
    temperature: Annotated[float, Ge(1e-3), Le(1e3)] = 1.0
    top_k: Annotated[int, Ge(0)] = 0
    top_p: Annotated[float, Gt(0), Le(1)] = 1.0


class Guidance:
    """The rows that guidance needs: of what is asked, of anything, or both, where the first half is of anything.

    ``classes``: the label of anything. ``scales`` are all that it will have; ``scale`` is the one it has, at first the
    first. ``n``: the number of images.
    """

    def __init__(self, asked: Prefix, classes: int, *scales: float) -> None:
        self.scale, self.n = scales[0], len(asked)
        anything = asked.without(torch.ones_like(asked.labels, dtype=torch.bool), classes)
        self.both = set(scales) not in ({0}, {1}) and not torch.equal(asked.labels, anything.labels)
        self.prefix = asked.after(anything) if self.both else asked if self.scale else anything

    def double(self, rows: Tensor) -> Tensor:
        """Return the rows [N, ...] once for each half."""
        return torch.cat([rows, rows]) if self.both else rows

    def guide(self, logits: Tensor) -> Tensor:
        """Return u + s (c - u) of the logits of ``prefix``, [N, ...] of [N or 2N, ...]."""
        if not self.both:
            return logits
        anyway, asked = logits.chunk(2)
        return anyway + self.scale * (asked - anyway)


def probabilities(logits: Tensor, sampling: TokenSampling) -> Tensor:
    """Return the probabilities [..., codes] from which tokens are drawn, given guided logits."""
    scaled = logits.float() / sampling.temperature
    codes = logits.shape[-1]
    if not 0 < sampling.top_k < codes and sampling.top_p == 1:
        return scaled.softmax(-1)
    ordered, order = scaled.sort(-1, descending=True)
    if sampling.top_k:
        ordered[..., sampling.top_k :] = -math.inf
    likely = ordered.softmax(-1)
    # A code is left out if those before it have the probability already: the likeliest one never is.
    ordered[likely.cumsum(-1) - likely >= sampling.top_p] = -math.inf
    return torch.empty_like(ordered).scatter_(-1, order, ordered.softmax(-1))


def draw(probability: Tensor, generator: torch.Generator) -> Tensor:
    """Draw tokens [...] from probabilities [..., codes]: the largest p / e, with e drawn from Exp(1)."""
    return (probability / torch.empty_like(probability).exponential_(generator=generator)).argmax(-1)
