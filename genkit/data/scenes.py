"""Scenes: one or two of the real digits in colours at places on 32x32, with captions, embedded.

Each image is made of images of ``digits``, training images of its training digits and test images of its test digits,
enlarged to 14x14. Half of the images show one digit at one of five places, half two digits beside or above each other.
A digit is at most a pixel from the middle of its place, so two of them never touch, and "left of" is never in doubt.
Every image has four captions in different phrasings; the first says everything, so it is the image's ground truth.
Some combinations of digit, colour and place are in no image, nor are some pairs of digits in a relation
(genkit.data.scenes_grammar): prompts for them measure whether a model composes what it knows.

The labels are what a class can say: of one digit "red 7" and so on, which is what the caption "a red 7" says; two
digits, of which there would be thousands of classes, are the two classes "side by side" and "one above the other". So a
model that is told classes and one that is told texts train on the same images, and are compared where both were told
the same.
"""

from __future__ import annotations

import importlib.metadata
import itertools
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.data.digits import Digits
from genkit.data.phrasings import COLOURS
from genkit.data.scenes_grammar import Scene, SceneGrammar, pairs, singles, trained_on
from genkit.data.source import DatasetRequest, Item, Source, SourceItems, SplitName

VERSION = 1
COUNTS: dict[SplitName, int] = {"train": 20_000, "test": 2_000}
CAPTIONS = 4
"""Captions of an image."""
SIDE, DIGIT = 32, 14
"""Sides of an image and of a digit in it, in pixels."""
CORNERS = {"left": (9, 1), "right": (9, 17), "top": (1, 9), "bottom": (17, 9), "centre": (9, 9)}
"""The row and the column of a digit's upper left corner at each place, give or take JITTER."""
JITTER = 1
PAINT = {  # the brightest channel is the digit itself
    "red": (255, 48, 48),
    "green": (48, 255, 64),
    "blue": (64, 88, 255),
    "yellow": (255, 232, 48),
    "cyan": (48, 224, 255),
    "magenta": (255, 64, 224),
    "white": (255, 255, 255),
}
PAIR_CLASSES = ("side by side", "one above the other")
CLASSES = (*(f"{colour} {digit}" for colour in COLOURS for digit in range(10)), *PAIR_CLASSES)


class Scenes(Source):
    """22,000 images of coloured digits with captions, always the same."""

    name = "scenes"
    grammar = SceneGrammar()

    def key(self) -> Any:
        """Return the version of the rules and that of scikit-learn, which contains the digits."""
        return [VERSION, importlib.metadata.version("scikit-learn")]

    def read(self) -> SourceItems:
        """Return 22,000 images of shape (3, 32, 32) and 256 levels, with labels and captions."""
        digits: dict[str, list[list[NDArray[np.uint8]]]] = {split: [[] for _ in range(10)] for split in COUNTS}
        for item in Digits().read().items:
            assert item is not None and item.label is not None and item.split is not None
            digits[item.split][item.label].append(enlarged(item.pixels[0]))
        items = itertools.chain.from_iterable(_items(split, digits[split]) for split in COUNTS)
        return SourceItems(shape=(3, SIDE, SIDE), count=sum(COUNTS.values()), items=items, classes=CLASSES)


def enlarged(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a digit of 8x8 pixels in 0 .. 16 as 14x14 in 0 .. 255, bilinear, in whole numbers: equal everywhere."""
    weights = np.zeros((DIGIT, 8), np.int64)
    for place in range(DIGIT):
        position = min(max(8 * place - 3, 0), 7 * DIGIT)  # (place + 1/2) 8/14 - 1/2, in fourteenths of a pixel
        left, part = divmod(position, DIGIT)
        weights[place, left] += DIGIT - part
        weights[place, min(left + 1, 7)] += part
    scaled = weights @ digit.astype(np.int64) @ weights.T * 255
    whole = 16 * DIGIT * DIGIT
    return ((2 * scaled + whole) // (2 * whole)).astype(np.uint8)


def render(scene: Scene, digits: Sequence[NDArray[np.uint8]], offsets: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
    """Return the image of a scene, uint8 [3, 32, 32], given the enlarged digit and the (row, column) offset of each."""
    image = np.zeros((3, SIDE, SIDE), np.uint8)
    for thing, digit, (down, across) in zip(scene.things, digits, offsets, strict=True):
        row, column = CORNERS[thing.place][0] + down, CORNERS[thing.place][1] + across
        paint = np.array(PAINT[thing.colour], np.int64)[:, None, None]
        image[:, row : row + DIGIT, column : column + DIGIT] = (paint * digit + 127) // 255
    return image


def label_of(scene: Scene) -> int:
    """Return the class of a scene."""
    if len(scene.things) == 1:
        return CLASSES.index(f"{scene.things[0].colour} {scene.things[0].digit}")
    return CLASSES.index(PAIR_CLASSES[scene.relation == "above"])


def _items(split: SplitName, digits: Sequence[Sequence[NDArray[np.uint8]]]) -> Iterator[Item]:
    """Yield the images of a split: all combinations of one thing equally often, and as many pairs."""
    draw = Random(f"scenes {VERSION} {split}")  # whose random() and seeding by text Python keeps as they are
    one, two = ([scene for scene in each if trained_on(scene)] for each in (singles(), pairs()))
    by_digits: dict[Any, list[Scene]] = {}
    for scene in two:
        by_digits.setdefault((scene.relation, *(thing.digit for thing in scene.things)), []).append(scene)
    alone, together = _endless(one, draw), _endless(list(by_digits.values()), draw)
    for index in range(COUNTS[split]):
        scene = next(alone) if index % 2 == 0 else _one_of(next(together), draw)
        shown = [_one_of(digits[thing.digit], draw) for thing in scene.things]
        offsets = [
            (_one_of(range(-JITTER, JITTER + 1), draw), _one_of(range(-JITTER, JITTER + 1), draw)) for _ in shown
        ]
        whole, *others = Scenes.grammar.captions(scene)
        said = (whole, *_shuffled(others, draw)[: CAPTIONS - 1])
        yield Item(render(scene, shown, offsets), label_of(scene), split, said)


def _one_of(values: Sequence[Any], draw: Random) -> Any:
    return values[int(draw.random() * len(values))]


def _shuffled(values: Sequence[Any], draw: Random) -> list[Any]:
    order = [draw.random() for _ in values]
    return [values[place] for place in sorted(range(len(values)), key=order.__getitem__)]


def _endless(values: Sequence[Any], draw: Random) -> Iterator[Any]:
    """Yield all values in a random order, again and again."""
    while True:
        yield from _shuffled(values, draw)


def scenes(request: DatasetRequest) -> Source:
    """Return the source of ``scenes``."""
    request.refuse_glob("scenes")
    request.not_used("scenes", "array", "values", "labels")
    return Scenes()
