"""Handwritten digits that come with scikit-learn: 1,797 real images of 8x8 pixels and 17 levels, no network.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998 (its test part).
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.data.division import split_hash
from genkit.data.grammar import DigitNames
from genkit.data.source import DatasetRequest, Item, Source, SourceItems

TEST_PER_CLASS = 36
"""Test images of each class: 360 of 1,797, a fifth."""


class Digits(Source):
    """The digits; the 36 images of each class with the lowest content hash are the test split."""

    name = "digits"
    grammar = DigitNames()

    def key(self) -> Any:
        """Return the version of scikit-learn, which contains the images."""
        return importlib.metadata.version("scikit-learn")

    def read(self) -> SourceItems:
        """Return 1,797 images of shape (1, 8, 8) with levels 0 .. 16."""
        from sklearn.datasets import load_digits

        bunch = load_digits()
        pixels = bunch.images.astype(np.uint8)[:, None]
        return SourceItems(
            shape=(1, 8, 8),
            count=len(pixels),
            items=_items(pixels, bunch.target.astype(np.int64)),
            levels=17,
            classes=tuple(map(str, range(10))),
        )


def _items(pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Iterator[Item]:
    hashes = np.array([split_hash(image) for image in pixels])
    test = np.zeros(len(pixels), dtype=bool)
    for label in range(10):
        members = np.flatnonzero(labels == label)
        test[members[np.argsort(hashes[members], kind="stable")[:TEST_PER_CLASS]]] = True
    for image, label, held_out in zip(pixels, labels, test, strict=True):
        yield Item(image, int(label), "test" if held_out else "train")


def digits(request: DatasetRequest) -> Source:
    """Return the source of ``digits``."""
    request.expect("digits", 1, 8, 8)
    request.refuse_glob("digits")
    request.not_used("digits", "array", "values", "labels")
    return Digits()
