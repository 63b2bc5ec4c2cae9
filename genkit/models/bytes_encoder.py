"""The text encoder ``bytes``: words read by their bytes, and what they mean together, trained with the model."""

from __future__ import annotations

import itertools
import unicodedata
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from genkit.errors import GenkitWarning, UsageError
from genkit.files.text import quoted
from genkit.models.conditions import Condition
from genkit.models.text import TextEncoder, TextRequest

LONGEST = 256
"""Bytes of a text that are read."""

WORD = 12
"""Bytes of a word; a longer one is read as several."""

LAYERS, HEADS = 2, 4
ROTARY_BASE = 1000.0  # slow enough that 100 words are not a full turn
_SAID: list[str] = []
"""The first text of this process that was cut."""

_NONE = 256  # stands after a word's last byte


class BytesEncoder(TextEncoder):
    """UTF-8 bytes -> a vector for each word [N, T, width]: one made of its bytes alone, then two layers of attention.

    A word is the same at each place, and attention knows only how far words are apart (rotary positions,
    arXiv:2104.09864), so that known words are understood in phrasings that no caption had. Case, kinds of spaces and
    compatible forms of letters (NFKC) make no difference. A text of more than 256 bytes is cut there, which is said.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.letters = nn.Embedding(257, width)
        self.places = nn.Parameter(torch.randn(WORD, width))
        self.letter = nn.Linear(width, width)
        self.word = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.layers = nn.ModuleList(_Layer(width) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(width)

    def forward(self, prompts: Sequence[str]) -> Condition:
        """Return the vectors of the texts' words."""
        texts = [words_of(text_bytes(prompt)) for prompt in prompts]
        length = max(map(len, texts), default=0)
        known = {word: number for number, word in enumerate(dict.fromkeys((b"", *itertools.chain(*texts))))}
        rows = [[known[word] for word in text] + [0] * (length - len(text)) for text in texts]
        numbers = torch.tensor(rows, dtype=torch.int64, device=self.places.device).view(len(texts), length)
        mask = numbers > 0
        hidden = self._words(list(known))[numbers]
        turn = _turn(length, self.layers[0].size, hidden)  # type: ignore[arg-type]
        for layer in self.layers:
            hidden = layer(hidden, mask, turn)
        return Condition(self.norm(hidden), mask)

    def _words(self, words: Sequence[bytes]) -> Tensor:
        """Return the vectors [words, width] of words by themselves."""
        rows = [[*word] + [_NONE] * (WORD - len(word)) for word in words]
        codes = torch.tensor(rows, device=self.places.device)
        inside = (codes != _NONE)[..., None]
        letters = gelu(self.letter(self.letters(codes) + self.places)) * inside
        return self.word(letters.sum(1) / inside.sum(1).clamp_min(1).sqrt())  # type: ignore[no-any-return]


class _Layer(nn.Module):
    """Attention and feed-forward [N, T, width], each after a layer norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.size = 2 * -(-width // (2 * HEADS))  # even, as pairs of numbers are turned
        self.norm, self.norm_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * HEADS * self.size)
        self.attended = nn.Linear(HEADS * self.size, width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, hidden: Tensor, mask: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        """Return what each word becomes among those bool [N, T] of its text."""
        n, length, _ = hidden.shape
        parts = self.attend(self.norm(hidden)).view(n, length, 3, HEADS, self.size).permute(2, 0, 3, 1, 4)
        queries, keys, values = _turned(parts[0], turn), _turned(parts[1], turn), parts[2]
        # A place sees itself also after the end of a text: attention to nothing is not a number.
        sees = mask[:, None, None] | torch.eye(length, dtype=torch.bool, device=mask.device)
        found = scaled_dot_product_attention(queries, keys, values, attn_mask=sees)
        hidden = hidden + self.attended(found.transpose(1, 2).flatten(2))
        return hidden + self.feed_forward(self.norm_forward(hidden))  # type: ignore[no-any-return]


def _turn(length: int, size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosines and sines [length, size / 2] of the angles by which places turn pairs of numbers."""
    frequencies = ROTARY_BASE ** -(torch.arange(0, size, 2, device=like.device) / size)
    angles = torch.arange(length, device=like.device)[:, None] * frequencies
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def _turned(vectors: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    (cosine, sine), (one, other) = turn, vectors.chunk(2, -1)
    return torch.cat([one * cosine - other * sine, one * sine + other * cosine], -1)


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


def words_of(text: bytes) -> list[bytes]:
    """Return the words of a text: one ends at a space, and after ``WORD`` bytes."""
    return [word[start : start + WORD] for word in text.split(b" ") for start in range(0, len(word), WORD)]


def bytes_encoder(request: TextRequest) -> BytesEncoder:
    """Return the text encoder ``bytes``, of the model's width."""
    if request.argument:
        raise UsageError(f"the text encoder bytes takes no argument, not {quoted(request.argument)}")
    return BytesEncoder(request.width)
