"""Speculative Jacobi decoding: a transformer's own guesses at the next tokens, verified together (arXiv:2410.01699)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genkit_tokens.prefix import Cache
from genkit_tokens.sampling import Guidance, TokenSampling, draw, probabilities
from genkit_tokens.transformer import Transformer


class RaggedCache(Cache):
    """A cache whose rows are written at places of their own, int64 [N, S]."""

    places: Tensor
    end: int

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # Rows that lag behind look at slots that were never written: with a weight of 0, but 0 times NaN is NaN.
        self.stored[:, :, :, :, self.first :] = 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store keys and values [N, kv heads, S, head size] at ``places``; return those up to ``end``."""
        rows = torch.arange(len(keys), device=keys.device)[:, None]
        places, end = self.first + self.places, self.first + self.end
        self.stored[layer, 0][rows, :, places] = keys.transpose(1, 2)
        self.stored[layer, 1][rows, :, places] = values.transpose(1, 2)
        return self.stored[layer, 0, :, :, :end], self.stored[layer, 1, :, :, :end]


def draw_by_jacobi(
    transformer: Transformer,
    guidance: Guidance,
    length: int,
    codes: int,
    sampling: TokenSampling,
    window: int,
    generator: torch.Generator,
) -> Tensor:
    """Draw tokens [N, length], ``window`` drafts a pass, with exactly the distribution of drawing them one by one.

    A draft x from p_old is accepted with probability min(1, p_new(x) / p_old(x)), given the tokens before it; else the
    token is drawn from (p_new - p_old)+, and all drafts after it are drawn anew from p_new, their next p_old. Drafts
    begin as uniform. Rows advance separately.
    """
    n, device, window = guidance.n, guidance.prefix.labels.device, min(window, length)
    cache = transformer.cache(guidance.prefix, length + window, RaggedCache)
    beyond = length + window  # a window may reach beyond the last token: what is there is never used
    tokens = torch.randint(codes, (n, beyond), generator=generator, device=device)
    before = torch.full((n, beyond, codes), 1 / codes, device=device)
    done = torch.zeros(n, dtype=torch.int64, device=device)
    steps = torch.arange(window, device=device)
    first = transformer.first(guidance.prefix)
    while bool((done < length).any()):
        places = done[:, None] + steps
        logits = _logits(transformer, cache, guidance, first, tokens, places, length)
        after = probabilities(logits, sampling)
        rows = torch.arange(n, device=device)[:, None]
        drafts, old = tokens[rows, places], before[rows, places]
        ratio = _of(after, drafts) / _of(old, drafts)
        accepted = torch.rand(ratio.shape, generator=generator, device=device) < ratio
        right = accepted.int().cumprod(1).sum(1)  # drafts accepted in a row
        rest = (after - old).clamp_min(0)
        # Rounding can leave nothing where both are equal: then any draw from p_new is right.
        rest = torch.where(rest.sum(-1, keepdim=True) > 0, rest, after)
        again = torch.where((steps == right[:, None])[..., None], rest, after)
        anew = draw(again, generator)
        tokens[rows, places] = torch.where(steps < right[:, None], drafts, anew)
        before[rows, places] = after
        done = (done + right + 1).where(right < window, done + window).clamp_max(length)
    return tokens[:, :length]


def _logits(
    transformer: Transformer,
    cache: RaggedCache,
    guidance: Guidance,
    first: Tensor,
    tokens: Tensor,
    places: Tensor,
    length: int,
) -> Tensor:
    """Return the guided logits [N, window, codes] at places [N, window], each slot holding the token before it."""
    rows = torch.arange(len(tokens), device=tokens.device)[:, None]
    contents = guidance.double(transformer.embedding(tokens[rows, (places - 1).clamp_min(0)]))
    both = guidance.double(places)
    contents = torch.where((both == 0)[..., None], first, contents)
    cache.places, cache.end = both, int(places.max()) + 1
    mask = torch.arange(cache.end, device=tokens.device) <= both[:, None, :, None]
    return guidance.guide(transformer.at(contents, both.clamp_max(length - 1), mask, cache))


def _of(probability: Tensor, tokens: Tensor) -> Tensor:
    """Return the probabilities [N, S] of tokens [N, S]."""
    return probability.gather(-1, tokens[..., None]).squeeze(-1)
