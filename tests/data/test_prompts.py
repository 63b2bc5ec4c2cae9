from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from genkit.data import open_dataset
from genkit.data.dataset import Split
from genkit.data.prompts import SEEN, UNSEEN, CaptionDraw, asked_prompts
from genkit.errors import DataError


def split(captions: list[tuple[str, ...]] | None) -> Split:
    count = 4 if captions is None else len(captions)
    return Split("train", np.zeros((count, 1, 2, 2), np.uint8), None, captions=captions)


def test_captions_are_drawn_with_their_images() -> None:
    draw = CaptionDraw(split([(), ("a",), ("b", "c")]))
    texts, places = draw.draw(400, 0)
    assert draw.draw(400, 0)[0] == texts != draw.draw(400, 1)[0]
    assert {(text, place) for text, place in zip(texts, places.tolist(), strict=True)} == {("a", 1), ("b", 2), ("c", 2)}
    assert 150 < Counter(texts)["a"] < 250


@pytest.mark.parametrize("captions", [None, [(), ()]])
def test_images_without_captions_are_an_error(captions: list[tuple[str, ...]] | None) -> None:
    with pytest.raises(DataError, match="the train images have no captions"):
        CaptionDraw(split(captions))


def test_prompts_of_digits_are_seen_and_unseen_names() -> None:
    data = open_dataset("digits")
    assert data.grammar is not None
    asked = asked_prompts(data.train, data.grammar, 50, 0)
    assert Counter(asked.groups) == {SEEN: 50, UNSEEN: 50}
    known = {text for texts in data.grammar.class_captions() for text in texts}
    assert [text in known for text in asked.texts] == [group == SEEN for group in asked.groups]
    assert asked.sha256 == asked_prompts(data.train, data.grammar, 50, 0).sha256
    assert asked.sha256 != asked_prompts(data.train, data.grammar, 50, 1).sha256


def test_a_caption_of_another_grammar_is_named() -> None:
    data = open_dataset("digits")
    assert data.grammar is not None
    with pytest.raises(DataError, match="'a cat' is none of its data set's grammar"):
        asked_prompts(split([("a cat",)]), data.grammar, 5, 0)
