"""The division of images into training and test images where a source has no splits: by content.

An image is a test image if the blake2b hash of its packed pixels lies in the lowest fifth, so copies of an image are
all in one split, and a set that grows keeps its split. If a class then has no training image, its image nearest the
border is moved. With two or more different images neither split is empty, and copies of one image are all training
images.
"""

from __future__ import annotations

import array
import hashlib
from typing import Any

import numpy as np

from genkit.data.source import Item

TEST_SHARE = 0.2


def split_hash(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
    """Return the blake2b hash of an image's pixels as a number in [0, 1)."""
    digest = hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


class Division:
    """Divides images that are added one by one; unlabelled images are of one class."""

    def __init__(self) -> None:
        self._positions = array.array("d")
        self._labels = array.array("q")

    def add(self, item: Item) -> bool:
        """Return whether an image is a test image by its content."""
        position = split_hash(item.pixels)
        self._positions.append(position)
        self._labels.append(-1 if item.label is None else item.label)
        return position < TEST_SHARE

    def mended(self) -> list[bool] | None:
        """Return which of all images are test images, or None if it is by content alone.

        A class without training images gets its test image of the highest hash, with all copies. Then, if there is no
        test image, it is the one of the lowest hash whose classes keep a training image, else the lowest of all.
        """
        positions, labels = np.array(self._positions), np.array(self._labels)
        test = positions < TEST_SHARE
        for label in np.unique(labels).tolist():
            mine = labels == label
            if test[mine].all():
                test[positions == positions[mine].max()] = False
        if not test.any() and positions.min() < positions.max():
            test[positions == _spare(positions, labels)] = True
        by_content = positions < TEST_SHARE
        return None if (test == by_content).all() else test.tolist()


def _spare(positions: np.ndarray[Any, np.dtype[Any]], labels: np.ndarray[Any, np.dtype[Any]]) -> float:
    """Return the lowest hash of which no class needs the image as its only one, else the lowest."""
    alone = [positions[mine].min() for label in np.unique(labels) if np.ptp(positions[mine := labels == label]) == 0]
    spare = positions[~np.isin(positions, alone)]
    return float(spare.min() if len(spare) else positions.min())
