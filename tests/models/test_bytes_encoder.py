"""The encoder of bytes: words, normalisation, odd texts."""

from __future__ import annotations

import warnings

import pytest
import torch

from genkit.errors import GenkitWarning
from genkit.models import bytes_encoder
from genkit.models.bytes_encoder import BytesEncoder, _turn, _turned, text_bytes, words_of

ODD = (
    "",
    " ",
    "\n\t",
    "a",
    "七",
    "😀" * 9,
    "красная семёрка",
    "\udcff\udc80",
    "\x00\x1b[31m",
    "é",
    "e\u0301",
    "1" * 40,
)


@pytest.fixture
def encoder() -> BytesEncoder:
    torch.manual_seed(0)
    return BytesEncoder(16).eval()


@torch.no_grad()
def test_a_text_has_a_vector_for_each_word(encoder: BytesEncoder) -> None:
    found = encoder(["a red 7", "seven", "one two three four five"])
    assert found.tokens.shape == (3, 5, 16) and found.mask.sum(1).tolist() == [3, 1, 5]


@torch.no_grad()
def test_odd_texts_are_read_and_batch_mates_change_nothing(encoder: BytesEncoder) -> None:
    together = encoder(ODD)
    for row, prompt in enumerate(ODD):
        alone = encoder([prompt])
        count = int(alone.mask.sum())
        assert count == together.mask[row].sum() == len(words_of(text_bytes(prompt)))
        assert torch.allclose(alone.tokens[0, :count], together.tokens[row, :count], atol=1e-5)
    assert together.tokens.isfinite().all()


@torch.no_grad()
def test_case_spaces_and_forms_of_letters_make_no_difference(encoder: BytesEncoder) -> None:
    found = encoder(["A  Red\u00a0７", "a red 7", "é", "e\u0301"]).tokens
    assert found[0].equal(found[1]) and found[2].equal(found[3])


@torch.no_grad()
def test_the_order_of_words_makes_one(encoder: BytesEncoder) -> None:
    one, other = encoder(["red 3 left of blue 8", "blue 8 left of red 3"]).tokens
    assert (one[2] - other[2]).abs().max() > 1e-4  # "left" itself


@torch.no_grad()
def test_a_long_text_is_cut_and_that_is_said_once(encoder: BytesEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytes_encoder, "_SAID", [])
    with pytest.warns(GenkitWarning, match="has 10,000 bytes: only the first 256 of any are read"):
        found = encoder(["7" * 10_000])
    assert found.mask.sum() == 22  # words of 12 bytes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(text_bytes("é" * 5000)) == 256


def test_words_end_at_spaces_and_after_twelve_bytes() -> None:
    assert words_of(b"ab c") == [b"ab", b"c"]
    assert words_of(b"x" * 25) == [b"x" * 12, b"x" * 12, b"x"]
    assert words_of(b"") == words_of(b" ") == []


@torch.no_grad()
def test_attention_knows_only_how_far_words_are_apart() -> None:
    turn = _turn(9, 6, torch.ones(1))
    query, key = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    products = _turned(query.expand(9, 6), turn) @ _turned(key.expand(9, 6), turn).T
    for apart in range(-8, 9):
        along = products.diagonal(apart)
        assert torch.allclose(along, along[:1].expand_as(along), atol=1e-5)
    assert (products[0, 1] - products[1, 0]).abs() > 1e-3 and (products[0, 1] - products[0, 2]).abs() > 1e-3


@pytest.mark.parametrize("width", [1, 3, 16])
def test_every_width_will_do(width: int) -> None:
    found = BytesEncoder(width)(["a red 7", ""])
    assert found.tokens.shape == (2, 3, width) and found.tokens.isfinite().all()
