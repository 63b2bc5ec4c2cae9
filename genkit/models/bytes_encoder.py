"""The text encoder ``bytes``: a small transformer over a text's bytes, trained with the model."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from genkit.errors import GenkitWarning, UsageError
from genkit.files.text import quoted
from genkit.models.conditions import Condition
from genkit.models.text import TextEncoder, TextRequest

LONGEST = 256
"""Bytes of a text that are read."""

WORD = 12
"""Bytes of a word; a longer one is read as several."""

LAYERS = 2
_SAID: list[str] = []
"""The first text of this process that was cut."""

_BEGIN = 256  # stands before a text's bytes


class BytesEncoder(TextEncoder):
    """UTF-8 bytes -> a vector for each word [N, T, width]: two layers of attention, then the mean over a word's bytes.

    Case, kinds of spaces and compatible forms of letters (NFKC) make no difference. A text of more than 256 bytes is
    cut there, which is said.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.bytes = nn.Embedding(257, width)
        self.positions = nn.Parameter(torch.randn(LONGEST + 1, width) * 0.02)
        nn.init.normal_(self.bytes.weight, std=0.02)
        heads = max(each for each in (4, 2, 1) if width % each == 0)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, _gelu, batch_first=True, norm_first=True)
            for _ in range(LAYERS)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, prompts: Sequence[str]) -> Condition:
        """Return the vectors of the texts' words."""
        texts = [text_bytes(prompt) for prompt in prompts]
        words = [words_of(text) for text in texts]
        device, length = self.positions.device, 1 + max(map(len, texts), default=0)
        codes = torch.tensor([[_BEGIN, *text, *bytes(length - 1 - len(text))] for text in texts], device=device)
        padding = torch.arange(length, device=device) > torch.tensor([[len(text)] for text in texts], device=device)
        hidden = self.bytes(codes) + self.positions[:length]
        for layer in self.layers:
            hidden = layer(hidden, src_key_padding_mask=padding)
        # Each byte's word; what is in none goes to the place after the last, which is dropped.
        count = max((1 + max(each, default=-1) for each in words), default=0)
        rows = [[count, *(count if word < 0 else word for word in each)] for each in words]
        place = torch.tensor([row + [count] * (length - len(row)) for row in rows], device=device)
        sums = hidden.new_zeros(len(texts), count + 1, self.dim)
        sums = sums.scatter_add(1, place[..., None].expand_as(hidden), hidden)[:, :count]
        share = hidden.new_zeros(len(texts), count + 1).scatter_add(1, place, torch.ones_like(place, dtype=sums.dtype))
        share = share[:, :count, None]
        return Condition(self.norm(sums / share.clamp_min(1)), share[..., 0] > 0)


def _gelu(inputs: Tensor) -> Tensor:
    """GELU under a name that PyTorch does not know: its fused layer reads weights around LoRA."""
    return gelu(inputs)


def text_bytes(prompt: str) -> bytes:
    """Return what is read of a text: NFKC, lower case, single spaces, at most ``LONGEST`` bytes of UTF-8."""
    plain = " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())
    text = plain.encode(errors="replace")
    if len(text) <= LONGEST:
        return text
    if not _SAID:  # training reads long texts at every step
        _SAID.append(prompt)
        warnings.warn(
            f"the prompt {quoted(prompt[:40])}... has {len(text):,} bytes: only the first {LONGEST} of any are read",
            GenkitWarning,
            stacklevel=2,
        )
    return text[:LONGEST].decode(errors="ignore").encode()


def words_of(text: bytes) -> list[int]:
    """Return the number of each byte's word, -1 for spaces: a word ends at a space, and after ``WORD`` bytes."""
    numbers, word, inside = [], -1, 0
    for byte in text:
        if byte == 0x20:
            inside = 0
            numbers.append(-1)
            continue
        word += inside % WORD == 0
        inside += 1
        numbers.append(word)
    return numbers


def bytes_encoder(request: TextRequest) -> BytesEncoder:
    """Return the text encoder ``bytes``, of the model's width."""
    if request.argument:
        raise UsageError(f"the text encoder bytes takes no argument, not {quoted(request.argument)}")
    return BytesEncoder(request.width)
