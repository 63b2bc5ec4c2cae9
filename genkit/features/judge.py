"""Judges: what an image shows, so that it is known whether a prompt was obeyed."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.data import Split
from genkit.data.grammar import Grammar
from genkit.data.prompts import Prompts

CHUNK = 500


class Judge(ABC):
    """Says what images show, in the terms of a data set's grammar; ``sha256`` is the hash of its weights."""

    sha256: str

    @abstractmethod
    def read(self, images: NDArray[np.uint8]) -> list[Any]:
        """Return what each image shows, given uint8 images [n, C, H, W]."""


@dataclass(frozen=True)
class AskedPrompts:
    """The prompts that models are asked, and who judges whether the images show what they say.

    ``choices`` are what the scores depend on; ``test`` are real images, which tell how good the judge is.
    """

    prompts: Prompts
    grammar: Grammar
    judge: Judge
    test: Split
    choices: Mapping[str, Any]

    def agreement(self, texts: Sequence[str], images: NDArray[np.uint8]) -> list[dict[str, bool]]:
        """Return for each image [n, C, H, W] in 0 .. 255 which parts of its text the judge finds in it."""
        said = {text: self.grammar.parse(text) for text in set(texts)}
        found = [
            shown for start in range(0, len(images), CHUNK) for shown in self.judge.read(images[start : start + CHUNK])
        ]
        return [self.grammar.agreement(said[text], shown) for text, shown in zip(texts, found, strict=True)]

    @functools.cached_property
    def accuracy(self) -> float:
        """The share of real test images in which the judge finds all that their first caption says, in [0, 1]."""
        captions = self.test.captions or ()
        texts = [captions[place][0] for place in range(len(self.test))]
        return float(np.mean([all(parts.values()) for parts in self.agreement(texts, self.test.uint8(slice(None)))]))
