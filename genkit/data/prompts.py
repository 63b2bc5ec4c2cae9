"""Prompts that a model is asked when it is measured, drawn by a seed from the captions of a split."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genkit.data.dataset import Split
from genkit.data.grammar import Grammar
from genkit.errors import DataError
from genkit.seeds import derive

SEEN, UNSEEN = "seen phrasings", "unseen phrasings"


@dataclass(frozen=True)
class Prompts:
    """Texts, and the group that each is of: seen or unseen phrasings, or a kind of held-out combinations."""

    texts: tuple[str, ...]
    groups: tuple[str, ...]

    @functools.cached_property
    def sha256(self) -> str:
        """The hash of the texts and their groups, in order."""
        return hashlib.sha256(json.dumps([self.texts, self.groups]).encode()).hexdigest()


class CaptionDraw:
    """Draws captions of a split: an image that has some, and one of its captions; raises DataError if none has any."""

    def __init__(self, split: Split) -> None:
        self.captions = split.captions or ()
        self.places: NDArray[np.int64] = np.flatnonzero([bool(texts) for texts in self.captions])
        if not len(self.places):
            raise DataError(f"the {split.name} images have no captions: a prompt can't be drawn from them")

    def draw(self, count: int, seed: int) -> tuple[list[str], NDArray[np.int64]]:
        """Return ``count`` captions, and the indices of their images, int64 [count]."""
        random = np.random.default_rng(seed)
        chosen = self.places[(random.random(count) * len(self.places)).astype(np.int64)]
        own = [self.captions[place] for place in chosen.tolist()]
        return [texts[int(u * len(texts))] for texts, u in zip(own, random.random(count), strict=True)], chosen


def asked_prompts(split: Split, grammar: Grammar, count: int, seed: int) -> Prompts:
    """Return ``count`` prompts of each group, in turn.

    The groups are captions of a split, what others of them say in unseen phrasings, and held-out combinations.

    Raises DataError for a split without captions, or a caption that is not of the grammar.
    """
    draw = CaptionDraw(split)
    groups = {SEEN: draw.draw(count, derive(seed, "asked", SEEN))[0]}
    for text in groups[SEEN]:
        if grammar.parse(text) is None:
            raise DataError(f"the caption {text!r} is none of its data set's grammar, so nobody knows what it asks for")
    other, _ = draw.draw(count, derive(seed, "asked", UNSEEN))
    groups[UNSEEN] = [_choose(grammar.unseen(text), derive(seed, UNSEEN, place)) for place, text in enumerate(other)]
    for name, texts in grammar.held_out().items():
        groups[name] = [_choose(texts, derive(seed, name, place)) for place in range(count)]
    texts = tuple(text for row in zip(*groups.values(), strict=True) for text in row)
    return Prompts(texts, tuple(groups) * count)


def _choose(texts: tuple[str, ...], seed: int) -> str:
    return texts[seed % len(texts)]
