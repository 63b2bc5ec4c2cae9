"""Vectors and logits of codes, which codes of FSQ with a level in common share in part."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from genkit_tokens.quantisers import Quantiser


class CodeEmbedding(nn.Module):
    """Vectors [..., width] of codes [...]: each code's own plus those of its levels.

    With one vector a code, what is learned of a code says nothing about its neighbours, which look almost alike.
    ``masked``: there is one code more, the mask, which has no levels.
    """

    levels: Tensor

    def __init__(self, quantiser: Quantiser, width: int, *, masked: bool = False) -> None:
        super().__init__()
        levels = quantiser.levels_of_codes()
        if masked:
            levels = torch.cat([levels, torch.zeros(1, levels.shape[1])])
        self.own = nn.Embedding(len(levels), width)
        self.shared = nn.Parameter(torch.empty(levels.shape[1], width))
        self.register_buffer("levels", levels, persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Return [..., width]."""
        vectors: Tensor = self.own(codes) + self.levels[codes] @ self.shared
        return vectors

    def table(self) -> Tensor:
        """Return the vectors [codes, width] of all codes."""
        return self.own.weight + self.levels @ self.shared


class CodeHead(nn.Module):
    """Logits [..., codes] of inputs [..., width]: each code's own plus those of its levels."""

    levels: Tensor

    def __init__(self, quantiser: Quantiser, width: int) -> None:
        super().__init__()
        levels = quantiser.levels_of_codes()
        self.own = nn.Parameter(torch.empty(len(levels), width))
        self.shared = nn.Parameter(torch.empty(levels.shape[1], width))
        self.register_buffer("levels", levels, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [..., codes]."""
        return linear(inputs, self.own) + linear(linear(inputs, self.shared), self.levels)

    def table(self) -> Tensor:
        """Return the weights [codes, width] of all codes."""
        return self.own + self.levels @ self.shared
