"""What the captions of a data set say, exactly: the ground truth by which a prompt was obeyed or not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from genkit.data.phrasings import phrasings, read, say


class Grammar(ABC):
    """The captions of a data set: what each says, how else it may be said, and what no training image shows.

    What a caption says is a value that compares equal for equal content, such as a class or a Scene.
    """

    @abstractmethod
    def parse(self, text: str) -> Any:
        """Return what a text says, or None for one that is not of this grammar."""

    @abstractmethod
    def unseen(self, text: str) -> tuple[str, ...]:
        """Return what a text of this grammar says in the phrasings that no caption of the data set has."""

    def held_out(self) -> Mapping[str, tuple[str, ...]]:
        """Return prompts in seen phrasings for combinations that no training image shows, by kind of combination."""
        return {}

    def class_captions(self) -> tuple[tuple[str, ...], ...]:
        """Return the captions of every image of each class, for data without captions of each image."""
        return ()

    @abstractmethod
    def agreement(self, asked: Any, found: Any) -> dict[str, bool]:
        """Return which parts of what was asked are found in an image; it is obeyed if all are."""


class DigitNames(Grammar):
    """Names of the classes 0 to 9, such as "a 7" and "the digit seven"."""

    def parse(self, text: str) -> int | None:
        """Return the class that a text names, or None."""
        both = phrasings("digits")
        for template in (*both.seen, *both.unseen):
            if (values := read(template, text)) is not None:
                return int(values["digit"])
        return None

    def unseen(self, text: str) -> tuple[str, ...]:
        """Return held-out names of the digit that a text names."""
        return tuple(say(template, {"digit": str(self.parse(text))}) for template in phrasings("digits").unseen)

    def class_captions(self) -> tuple[tuple[str, ...], ...]:
        """Return the names of each digit."""
        seen = phrasings("digits").seen
        return tuple(tuple(say(template, {"digit": str(digit)}) for template in seen) for digit in range(10))

    def agreement(self, asked: int, found: int) -> dict[str, bool]:
        """Return whether the digit is the one that was asked for."""
        return {"object": asked == found}


class ClassCaptions(Sequence[tuple[str, ...]]):
    """Captions of images that are those of their class."""

    def __init__(self, texts: Sequence[tuple[str, ...]], labels: NDArray[np.int64]) -> None:
        self.texts = texts
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, place: int) -> tuple[str, ...]: ...
    @overload
    def __getitem__(self, place: slice) -> ClassCaptions: ...
    def __getitem__(self, place: int | slice) -> tuple[str, ...] | ClassCaptions:
        if isinstance(place, slice):
            return ClassCaptions(self.texts, self.labels[place])
        return self.texts[int(self.labels[place])]
