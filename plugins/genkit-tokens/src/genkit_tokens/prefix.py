"""What stands before an image's tokens, its class or a text, and the memory of keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from genkit.models.conditions import Condition, concatenated

KeysValues = tuple[Tensor, Tensor]
"""Keys and values [N, kv heads, slots, head size]."""

Given = tuple[Tensor, Tensor] | None
"""Tokens [N, T], and which of them are known, bool [N, T]."""


@dataclass(frozen=True)
class Prefix:
    """What N images are asked to be: ``labels`` int64 [N], one more than the last class for "anything".

    ``text``: the vectors of prompts, of a model that reads them; its labels say whether there is a prompt.
    """

    labels: Tensor
    text: Condition | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def split(self, rows: int) -> list[Prefix]:
        """Return parts of at most so many rows."""
        labels = self.labels.split(rows)
        texts: Sequence[Condition | None] = [None] * len(labels) if self.text is None else self.text.split(rows)
        return [Prefix(*part) for part in zip(labels, texts, strict=True)]

    def without(self, left_out: Tensor, anything: int) -> Prefix:
        """Return the prefix with "anything" in the rows bool [N] that are left out."""
        labels = torch.where(left_out, anything, self.labels)
        text = None if self.text is None else Condition(self.text.tokens, self.text.mask & ~left_out[:, None])
        return Prefix(labels, text)

    def after(self, other: Prefix) -> Prefix:
        """Return the rows of another prefix, then those of this one."""
        both = None if self.text is None or other.text is None else concatenated([other.text, self.text])
        return Prefix(torch.cat([other.labels, self.labels]), both)


@dataclass
class TextMemory:
    """Keys and values of a text's tokens in each layer; where ``mask`` [N, P] is False, nobody looks."""

    mask: Tensor
    stored: list[KeysValues] = field(default_factory=list)

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Store the keys and values of a layer while the text itself is read."""
        self.stored.append((keys, values))
        return keys, values


class Whole:
    """No cache: all slots are computed at once, after those of a text."""

    length = 0

    def __init__(self, text: TextMemory) -> None:
        self.text = text

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Return the keys and values of a layer, the text's first."""
        before, those = self.text.stored[layer]
        return torch.cat([before, keys], 2), torch.cat([those, values], 2)


class Cache:
    """Keys and values [layers, 2, N, kv heads, slots, head size] of the slots so far; ``length`` of them are filled.

    Those of a text, if there is one, come first and are not counted.
    """

    def __init__(
        self, layers: int, n: int, heads: int, slots: int, size: int, like: Tensor, text: TextMemory | None = None
    ) -> None:
        self.text, self.first = text, 0 if text is None else text.mask.shape[1]
        shape = (layers, 2, n, heads, self.first + slots, size)
        self.stored = torch.empty(shape, device=like.device, dtype=like.dtype)
        self.length = 0
        for layer, (keys, values) in enumerate(text.stored if text else ()):
            self.stored[layer, 0, :, :, : self.first] = keys
            self.stored[layer, 1, :, :, : self.first] = values

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Store keys and values [N, kv heads, S, head size] after those so far; return all [N, kv heads, :, size]."""
        start = self.first + self.length
        end = start + keys.shape[2]
        self.stored[layer, 0, :, :, start:end] = keys
        self.stored[layer, 1, :, :, start:end] = values
        return self.stored[layer, 0, :, :, :end], self.stored[layer, 1, :, :, :end]


Memory = TextMemory | Whole | Cache


def seen(mask: Tensor | None, memory: Memory, slots: int) -> Tensor | None:
    """Return what ``slots`` new slots may attend to, the text's tokens included: bool [..., slots, keys], None: all.

    ``mask`` [..., slots, slots so far] says it of the image's own.
    """
    if isinstance(memory, TextMemory):
        # A token sees itself even in a text that says nothing: attention to nothing is not a number.
        return memory.mask[:, None, None] | torch.eye(slots, dtype=torch.bool, device=memory.mask.device)
    if memory.text is None:
        return mask
    text = memory.text.mask[:, None, None].expand(-1, 1, slots, -1)
    if mask is None:
        mask = text.new_ones(slots, memory.length + slots)
    return torch.cat([text, mask.expand(len(text), 1, -1, -1)], -1)
