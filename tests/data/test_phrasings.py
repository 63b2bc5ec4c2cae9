from __future__ import annotations

import re

import pytest

from genkit.data.phrasings import COLOURS, PLACES, RELATIONS, WORDS, phrasings, read, say, slots

SECTIONS = ("digits", "scenes-one", "scenes-two")
VALUES = {
    "digit": "8",
    "colour": "red",
    "where": "centre",
    "relation": "left of",
    "other_digit": "3",
    "other_colour": "blue",
}
ALL = [
    (name, template) for name in SECTIONS for kind in ("seen", "unseen") for template in getattr(phrasings(name), kind)
]


@pytest.mark.parametrize(("section", "template"), ALL)
def test_what_is_said_is_read_back(section: str, template: str) -> None:
    said = {slot.replace("word", "digit") for slot in slots(template)}
    assert read(template, say(template, VALUES)) == {slot: VALUES[slot] for slot in said}


@pytest.mark.parametrize("section", SECTIONS)
def test_held_out_phrasings_are_others_in_the_same_words(section: str) -> None:
    both = phrasings(section)
    assert len(set(both.seen + both.unseen)) == len(both.seen) + len(both.unseen)
    words = {word for template in both.seen for word in re.findall(r"\w+", say(template, VALUES))}
    assert {word for template in both.unseen for word in re.findall(r"\w+", say(template, VALUES))} <= words


def test_articles_fit_and_are_read_either_way() -> None:
    assert say("a {digit}", {"digit": "8"}) == "an 8"
    assert say("a {word} left", {"digit": "8"}) == "an eight left"
    assert say("a {colour} {digit}", VALUES) == "a red 8"
    assert read("a {digit}", "an 8") == read("a {digit}", "  A  eight. ") == {"digit": "8"}
    assert read("{colour} {digit} {where}", "red 8 in the center") == {"digit": "8", "colour": "red", "where": "centre"}


def test_other_texts_are_not_read() -> None:
    for text in ("", "a", "a 10", "a red 8", "an 8 an 8"):
        assert read("a {digit}", text) is None


def test_every_word_is_known() -> None:
    assert (len(WORDS), len(COLOURS), len(PLACES), len(RELATIONS)) == (10, 7, 5, 4)
