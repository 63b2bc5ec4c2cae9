"""The transformer of all token models, in LlamaGen's way: RMSNorm, SwiGLU, rotary positions, no biases, a cache."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn
from torch.nn.functional import dropout, linear, rms_norm, scaled_dot_product_attention, silu

ROTARY_BASE = 100.0
"""For grids of up to 16 x 16."""

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines [slots, head size / 2]."""


@dataclass
class TransformerOptions:
    """Options of the transformer, for the options of a token model to inherit.

    ``layers``: blocks of attention and feed-forward; ``heads``: of attention; ``dropout``: of both, in training.
    ``kv_heads``: heads of keys and values, each shared by as many heads of queries; 0: as many as ``heads``.
    ``label_dropout``: the share of training images whose class is replaced by "any class".
    """

    width: Annotated[int, Ge(4)] = 128
    layers: Annotated[int, Ge(1)] = 5
    heads: Annotated[int, Ge(1)] = 4
    kv_heads: Annotated[int, Ge(0)] = 0
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    label_dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    learning_rate: Annotated[float, Gt(0)] = 2e-3

    def __post_init__(self) -> None:
        if self.width % (4 * self.heads):
            raise ValueError(f"width must be a multiple of 4 times the {self.heads} heads, for rotary positions")
        if self.kv_heads and self.heads % self.kv_heads:
            raise ValueError(f"kv_heads must divide the {self.heads} heads")


class Cache:
    """Keys and values [layers, 2, N, kv heads, slots, head size] of the slots so far; ``length`` of them are filled."""

    def __init__(self, layers: int, n: int, heads: int, slots: int, size: int, like: Tensor) -> None:
        self.stored = torch.empty(layers, 2, n, heads, slots, size, device=like.device, dtype=like.dtype)
        self.length = 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store keys and values [N, kv heads, S, head size] after those so far; return all [N, kv heads, :, size]."""
        end = self.length + keys.shape[2]
        self.stored[layer, 0, :, :, self.length : end] = keys
        self.stored[layer, 1, :, :, self.length : end] = values
        return self.stored[layer, 0, :, :, :end], self.stored[layer, 1, :, :, :end]


class Transformer(nn.Module):
    """Contents of slots [N, S, width] -> logits of codes [N, S, codes].

    ``embedding`` makes contents of what a model puts into the slots; ``labels`` those of the condition's; ``head`` the
    logits.
    ``coordinates`` [slots, 2]: row and column of each slot, by which its queries and keys are rotated; (0, 0) for the
    condition, which so is rotated by the identity. Each slot has a learned position vector as well. ``classes`` may
    be 0; "any class" is one more, the last, and is trained by leaving labels out.
    """

    cosines: Tensor
    sines: Tensor

    def __init__(
        self, options: TransformerOptions, embedding: nn.Module, coordinates: Tensor, head: nn.Module, classes: int
    ) -> None:
        super().__init__()
        width, layers = options.width, options.layers
        self.classes, self.layers, self.slots = classes, layers, len(coordinates)
        self.kv_heads, self.head_size = options.kv_heads or options.heads, width // options.heads
        self.embedding = embedding
        self.labels = nn.Embedding(classes + 1, width)
        self.positions = nn.Parameter(torch.empty(self.slots, width))
        self.blocks = nn.ModuleList(Block(options, layer) for layer in range(layers))
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.head = head
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)
        for block in self.blocks:
            for projection in (block.out, block.down):
                nn.init.normal_(projection.weight, std=0.02 / math.sqrt(2 * layers))  # type: ignore[union-attr, arg-type]
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)
        cosines, sines = rotation(coordinates, self.head_size)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)

    def any_class(self, n: int) -> Tensor:
        """Return the labels [n] of images of any class."""
        return torch.full((n,), self.classes, device=self.positions.device)

    def forward(
        self, contents: Tensor, start: int = 0, *, mask: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Return the logits of slots ``start`` .. start + S, given their contents [N, S, width].

        ``mask`` [S, slots so far] says which slots each may attend to; None: all that there are. ``cache``: holds the
        slots before ``start``, and then these too.
        """
        logits = self.at(contents, slice(start, start + contents.shape[1]), mask, cache)
        if cache is not None:
            cache.length += contents.shape[1]
        return logits

    def at(self, contents: Tensor, places: slice | Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """Return the logits of slots at ``places``, the same for all rows or int64 [N, S]."""
        hidden = contents + self.positions[places]
        turn = self.cosines[places].unsqueeze(-2), self.sines[places].unsqueeze(-2)
        for block in self.blocks:
            hidden = block(hidden, turn, mask, cache)
        logits: Tensor = self.head(self.norm(hidden))
        return logits

    def cache(self, n: int, slots: int) -> Cache:
        """Return an empty cache for ``n`` rows of ``slots``."""
        return Cache(self.layers, n, self.kv_heads, slots, self.head_size, self.positions)

    def cache_bytes(self, slots: int) -> int:
        """Return the bytes of a row's cache."""
        return 2 * self.layers * slots * self.kv_heads * self.head_size * self.positions.element_size()


class Block(nn.Module):
    """Attention, then SwiGLU of width 8/3 d, each on normalised inputs and added to them."""

    def __init__(self, options: TransformerOptions, layer: int) -> None:
        super().__init__()
        width = options.width
        self.layer, self.dropout = layer, options.dropout
        self.heads, self.kv_heads = options.heads, options.kv_heads or options.heads
        self.size = width // options.heads
        inner = -(-8 * width // 3 // 8) * 8
        self.before, self.between = nn.RMSNorm(width, eps=1e-5), nn.RMSNorm(width, eps=1e-5)
        self.qkv = nn.Linear(width, (self.heads + 2 * self.kv_heads) * self.size, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, hidden: Tensor, turn: Rotation, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """Return [N, S, width]."""
        width = hidden.shape[-1:]
        attended = self.attend(rms_norm(hidden, width, self.before.weight, 1e-5), turn, mask, cache)
        hidden = hidden + dropout(attended, self.dropout, self.training)
        gate, value = linear(rms_norm(hidden, width, self.between.weight, 1e-5), self.up.weight).chunk(2, -1)
        return hidden + dropout(linear(silu(gate) * value, self.down.weight), self.dropout, self.training)

    def attend(self, inputs: Tensor, turn: Rotation, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """Return the attention's output [N, S, width]."""
        n, s, width = inputs.shape
        parts = linear(inputs, self.qkv.weight).view(n, s, -1, self.size)
        rotated = rotate(parts[:, :, : self.heads + self.kv_heads], turn).transpose(1, 2)
        queries, keys = rotated[:, : self.heads], rotated[:, self.heads :]
        values = parts[:, :, self.heads + self.kv_heads :].transpose(1, 2)
        if cache is not None:
            keys, values = cache.extend(self.layer, keys, values)
        grouped = self.kv_heads < self.heads
        mixed = scaled_dot_product_attention(queries, keys, values, attn_mask=mask, enable_gqa=grouped)
        return linear(mixed.transpose(1, 2).reshape(n, s, width), self.out.weight)


def rotation(coordinates: Tensor, size: int) -> Rotation:
    """Return cosines and sines [slots, size / 2]: a quarter of the angles by row and by column at each frequency."""
    frequencies = ROTARY_BASE ** -(torch.arange(size // 4) / (size // 4))
    angles = (coordinates[:, :, None] * frequencies).flatten(1)
    return angles.cos(), angles.sin()


def rotate(vectors: Tensor, turn: Rotation) -> Tensor:
    """Rotate pairs of numbers of vectors [..., S, heads, size] by a rotation [S, 1, size / 2]."""
    (cosine, sine), (one, other) = turn, vectors.chunk(2, -1)
    return torch.cat([one * cosine - other * sine, one * sine + other * cosine], -1)


def causal(slots: int, device: torch.device) -> Tensor:
    """Return the mask [slots, slots] by which each slot sees those before it and itself."""
    return torch.ones(slots, slots, dtype=torch.bool, device=device).tril()


def grid_coordinates(rows: int, columns: int) -> Tensor:
    """Return the row and column [1 + rows * columns, 2] of the condition, (0, 0), and of a grid's places in order."""
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).reshape(-1, 2)
    return torch.cat([torch.zeros(1, 2), places])
