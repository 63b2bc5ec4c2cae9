from __future__ import annotations

import numpy as np
import pytest

from genkit.data import open_dataset
from genkit.data.grammar import ClassCaptions, DigitNames
from genkit.data.summary import describe_data

NAMES = DigitNames()


def test_each_caption_of_a_digit_names_it() -> None:
    texts = NAMES.class_captions()
    assert "the digit seven" in texts[7] and "an 8" in texts[8]
    assert [{NAMES.parse(text) for text in each} for each in texts] == [{digit} for digit in range(10)]
    assert NAMES.parse("a red 7") is None


def test_unseen_names_mean_the_same_and_are_no_captions() -> None:
    texts = NAMES.class_captions()
    for digit in range(10):
        unseen = NAMES.unseen(texts[digit][0])
        assert unseen and not set(unseen) & set(texts[digit])
        assert {NAMES.parse(text) for text in unseen} == {digit}


def test_the_digits_have_captions_of_their_classes() -> None:
    data = open_dataset("digits")
    for split in (data.train, data.test, data.everything()):
        assert split.captions is not None and split.labels is not None and len(split.captions) == len(split)
        assert [NAMES.parse(texts[0]) for texts in split.captions] == split.labels.tolist()
    assert data.info().has_prompts and data.grammar is not None
    assert "captions" not in describe_data(data)


def test_captions_of_a_part_are_those_of_its_images() -> None:
    captions = ClassCaptions([("a",), ("b", "c")], np.array([0, 1, 1]))
    assert list(captions[1:]) == [("b", "c"), ("b", "c")]
    with pytest.raises(IndexError):
        captions[3]


def test_a_digit_is_the_one_asked_for_or_not() -> None:
    assert (NAMES.agreement(3, 3), NAMES.agreement(3, 4)) == ({"object": True}, {"object": False})
