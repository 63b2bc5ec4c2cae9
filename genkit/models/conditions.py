"""What a text says to a model: the vectors of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class Condition:
    """Texts as vectors: ``tokens`` float [N, T, d]; ``mask`` bool [N, T], True where a text has a token.

    A row without any token says nothing. What stands where the mask is False has no effect on what a model draws.
    """

    tokens: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        if self.tokens.ndim != 3 or self.mask.shape != self.tokens.shape[:2] or self.mask.dtype != torch.bool:
            raise ValueError(
                f"a condition has tokens [N, T, d] and a bool mask [N, T], not {list(self.tokens.shape)} and "
                f"{self.mask.dtype} {list(self.mask.shape)}"
            )

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: slice | Tensor) -> Condition:
        return Condition(self.tokens[rows], self.mask[rows])

    def split(self, rows: int) -> list[Condition]:
        """Return parts of at most so many rows."""
        return [Condition(*part) for part in zip(self.tokens.split(rows), self.mask.split(rows), strict=True)]

    def to(self, device: torch.device | str) -> Condition:
        """Return the condition on a device."""
        return Condition(self.tokens.to(device), self.mask.to(device))

    def mean(self) -> Tensor:
        """Return the mean [N, d] of each text's tokens; zeros for a text without any."""
        kept = self.mask.unsqueeze(-1)
        return self.tokens.masked_fill(~kept, 0).sum(1) / kept.sum(1).clamp_min(1)

    def pooled(self) -> Condition:
        """Return the condition [N, 1, d] whose one token is the mean of each text's."""
        return Condition(self.mean()[:, None], self.mask.any(1, keepdim=True))


def mixed(one: Condition, other: Condition, share: float) -> Condition:
    """Return what lies between two conditions, ``share`` of the way: a token that one of them lacks fades in or out.

    At 0 and 1 it is the one and the other.
    """
    both = concatenated([one, other])
    first, second = both[: len(one)], both[len(one) :]
    if share in (0, 1):
        return second if share else first
    begin, end = (each.tokens.masked_fill(~each.mask.unsqueeze(-1), 0) for each in (first, second))
    return Condition(begin.lerp(end, share), first.mask | second.mask)


def concatenated(parts: Sequence[Condition]) -> Condition:
    """Return the rows of all parts, padded to the longest text."""
    longest = max(part.tokens.shape[1] for part in parts)
    tokens = [pad(part.tokens, (0, 0, 0, longest - part.tokens.shape[1])) for part in parts]
    masks = [pad(part.mask, (0, longest - part.mask.shape[1])) for part in parts]
    return Condition(torch.cat(tokens), torch.cat(masks))
