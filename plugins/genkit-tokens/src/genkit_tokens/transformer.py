"""The transformer of all token models, in LlamaGen's way: RMSNorm, SwiGLU, rotary positions, no biases, a cache."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, TypeVar

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn
from torch.nn.functional import dropout, rms_norm, scaled_dot_product_attention, silu

from genkit.errors import UsageError
from genkit.models.conditions import Condition
from genkit_tokens.positions import Rotation, rotate, rotation
from genkit_tokens.prefix import Cache, Memory, Prefix, TextMemory, Whole, seen

C = TypeVar("C", bound=Cache)


@dataclass
class TransformerOptions:
    """Options of the transformer, for the options of a token model to inherit.

    ``layers``: blocks of attention and feed-forward; ``heads``: of attention; ``dropout``: of both, in training.
    ``kv_heads``: heads of keys and values, each shared by as many heads of queries; 0: as many as ``heads``.
    ``label_dropout``: the share of training images whose class or text is replaced by "anything", which guidance needs.
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


class Transformer(nn.Module):
    """Contents of slots [N, S, width] -> logits of codes [N, S, codes].

    ``embedding`` makes contents of what a model puts into the slots; ``labels`` those of the first, of a ``Prefix``;
    ``head`` the logits. A text's tokens have slots before the first: they see one another, and all others see them.
    ``coordinates`` [slots, 2]: row and column of each slot, by which its queries and keys are rotated; (0, 0), of a
    slot for the prefix alone, rotates by the identity, as of a text's tokens. Each slot also has a learned vector.
    ``classes`` may be 0; "anything" is one more, the last, and is trained by leaving labels out.
    """

    cosines: Tensor
    sines: Tensor

    def __init__(
        self, options: TransformerOptions, embedding: nn.Module, coordinates: Tensor, head: nn.Module, classes: int
    ) -> None:
        super().__init__()
        width, layers = options.width, options.layers
        self.classes, self.layers, self.slots = classes, layers, len(coordinates)
        self.anything_is_trained = not classes or options.label_dropout > 0
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

    def anything(self, n: int) -> Prefix:
        """Return the prefix of ``n`` images of any class or text."""
        return Prefix(torch.full((n,), self.classes, device=self.positions.device))

    def first(self, prefix: Prefix) -> Tensor:
        """Return the contents [N, 1, width] of a prefix's slot; raises UsageError for one that was never trained."""
        if not (self.training or self.anything_is_trained) and bool((prefix.labels == self.classes).any()):
            raise UsageError(
                "this model was trained with label_dropout=0, so it draws nothing without a class or prompt: draw with "
                "guidance=1, and name one"
            )
        return self.labels(prefix.labels)[:, None]  # type: ignore[no-any-return]

    def read(self, text: Condition | None) -> TextMemory | None:
        """Return the keys and values of a text's tokens, whose vectors are [N, P, width]."""
        if text is None:
            return None
        memory, hidden = TextMemory(text.mask), text.tokens
        for block in self.blocks:
            hidden = block(hidden, None, seen(None, memory, hidden.shape[1]), memory)
        return memory

    def whole(self, prefix: Prefix, contents: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """Return the logits of all slots at once, given their contents [N, slots, width] and what stands before."""
        text = self.read(prefix.text)
        return self.at(contents, slice(0, contents.shape[1]), mask, text and Whole(text))

    def forward(self, contents: Tensor, start: int, cache: Cache, *, mask: Tensor | None = None) -> Tensor:
        """Return the logits of slots ``start`` .. start + S, given their contents [N, S, width].

        ``mask`` [S, slots so far] says which slots each may attend to; None: all that there are. ``cache`` holds the
        slots before ``start``, and then these too.
        """
        logits = self.at(contents, slice(start, start + contents.shape[1]), mask, cache)
        cache.length += contents.shape[1]
        return logits

    def at(self, contents: Tensor, places: slice | Tensor, mask: Tensor | None, memory: Memory | None) -> Tensor:
        """Return the logits of slots at ``places``, the same for all rows or int64 [N, S]."""
        hidden = contents + self.positions[places]
        turn = self.cosines[places].unsqueeze(-2), self.sines[places].unsqueeze(-2)
        if memory is not None:
            mask = seen(mask, memory, hidden.shape[1])
        for block in self.blocks:
            hidden = block(hidden, turn, mask, memory)
        logits: Tensor = self.head(self.norm(hidden))
        return logits

    def cache(self, prefix: Prefix, slots: int, kind: type[C]) -> C:
        """Return a cache of ``slots`` for each row of a prefix; it holds the prefix's text."""
        n, like, text = len(prefix), self.positions, self.read(prefix.text)
        return kind(self.layers, n, self.kv_heads, slots, self.head_size, like, text)

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

    def forward(self, hidden: Tensor, turn: Rotation | None, mask: Tensor | None, memory: Memory | None) -> Tensor:
        """Return [N, S, width]."""
        width = hidden.shape[-1:]
        attended = self.attend(rms_norm(hidden, width, self.before.weight, 1e-5), turn, mask, memory)
        hidden = hidden + dropout(attended, self.dropout, self.training)
        gate, value = self.up(rms_norm(hidden, width, self.between.weight, 1e-5)).chunk(2, -1)
        return hidden + dropout(self.down(silu(gate) * value), self.dropout, self.training)

    def attend(self, inputs: Tensor, turn: Rotation | None, mask: Tensor | None, memory: Memory | None) -> Tensor:
        """Return the attention's output [N, S, width]."""
        n, s, width = inputs.shape
        parts = self.qkv(inputs).view(n, s, self.heads + 2 * self.kv_heads, self.size)
        asking = parts[:, :, : self.heads + self.kv_heads]
        rotated = (asking if turn is None else rotate(asking, turn)).transpose(1, 2)
        queries, keys = rotated[:, : self.heads], rotated[:, self.heads :]
        values = parts[:, :, self.heads + self.kv_heads :].transpose(1, 2)
        if memory is not None:
            keys, values = memory.extend(self.layer, keys, values)
        grouped = self.kv_heads < self.heads
        mixed = scaled_dot_product_attention(queries, keys, values, attn_mask=mask, enable_gqa=grouped)
        attended: Tensor = self.out(mixed.transpose(1, 2).reshape(n, s, width))
        return attended
