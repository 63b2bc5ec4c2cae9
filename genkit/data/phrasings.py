"""Phrasings of captions: sentences with slots for a digit, a colour, a place or a relation, which can be read back.

They are in ``phrasings.toml``. A slot has a fixed list of words, so a caption and what it says determine each other.
"""

from __future__ import annotations

import functools
import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COLOURS = ("red", "green", "blue", "yellow", "cyan", "magenta", "white")
PLACES = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
    "centre": "in the centre",
}
"""The name of each place and how a caption says it."""
RELATIONS = ("left of", "right of", "above", "below")

_NUMERALS = tuple(map(str, range(10)))
_SAID: Mapping[str, Mapping[str, str]] = {
    "digit": dict(zip(_NUMERALS, _NUMERALS, strict=True)),
    "word": dict(zip(_NUMERALS, WORDS, strict=True)),
    "colour": {colour: colour for colour in COLOURS},
    "where": PLACES,
    "relation": {relation: relation for relation in RELATIONS},
}
"""How each value of a slot is said."""
_READ: Mapping[str, Mapping[str, str]] = {
    slot: {said: value for name in (slot, "word" if slot == "digit" else slot) for value, said in _SAID[name].items()}
    for slot in _SAID
    if slot != "word"
}
"""What the words of a slot mean; a digit may be read as a numeral or a word."""


@dataclass(frozen=True)
class Phrasings:
    """Templates such as ``a {colour} {digit} {where}``: those that models train on, and those that are held out."""

    seen: tuple[str, ...]
    unseen: tuple[str, ...]


@functools.cache
def phrasings(name: str) -> Phrasings:
    """Return the phrasings of a section of ``phrasings.toml``."""
    section = tomllib.loads(resources.files("genkit.data").joinpath("phrasings.toml").read_text("utf-8"))[name]
    return Phrasings(tuple(section["seen"]), tuple(section["unseen"]))


def say(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its slots filled; ``values`` has ``digit`` (a numeral), ``colour`` and so on.

    The slots ``digit`` and ``word`` say the same value; ``other_`` before a slot's name is a second thing's.
    """
    words = {}
    for slot in slots(template):
        kind = slot.removeprefix("other_")
        value = values[slot.replace("word", "digit")]
        words[slot] = _SAID[kind][value]
    return re.sub(r"\ba(?= (8|eight)\b)", "an", template.format(**words))


def read(template: str, text: str) -> dict[str, str] | None:
    """Return the values in a text of this template, or None if it is no such text.

    Digits may be numerals or words; capital letters, spaces and a full stop at the end do not matter.
    """
    found = _pattern(template).fullmatch(_plain(text))
    if found is None:
        return None
    values = {}
    for slot, said in found.groupdict().items():
        values[slot] = _READ[slot.removeprefix("other_")][said]
    return values


def slots(template: str) -> tuple[str, ...]:
    """Return the names of a template's slots."""
    return tuple(slot for _, slot, _, _ in string.Formatter().parse(template) if slot)


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = []
    for text, slot, _, _ in string.Formatter().parse(template):
        parts.append(re.escape(_plain(text, ends=False)))
        if slot:
            name = slot.replace("word", "digit")
            parts.append(f"(?P<{name}>{'|'.join(map(re.escape, _READ[name.removeprefix('other_')]))})")
    return re.compile("".join(parts))


def _plain(text: str, *, ends: bool = True) -> str:
    text = re.sub(r"\ban\b", "a", re.sub(r"\s+", " ", text.lower())).replace("center", "centre")
    return text.strip().rstrip(".").rstrip() if ends else text
