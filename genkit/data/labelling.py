"""Labels as files give them, as class numbers and names."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set

import numpy as np
from numpy.typing import NDArray

_WHOLE = re.compile(r"-?[0-9]+(\.0+)?")

MOST_CLASSES = 65_536
"""Class numbers are below this."""


def number_classes(parts: Sequence[NDArray[np.int64]]) -> tuple[list[NDArray[np.int64]], tuple[str, ...], str]:
    """Return labels 0 .. K-1 of each part, the K names of the classes, and a note if numbers were missing.

    Labels 0 .. K-1 that all occur stay; others are numbered in their order and named by the original number.
    Raises ValueError, which names the image, for labels below 0 or from MOST_CLASSES on.
    """
    for part in parts:
        bad = np.flatnonzero((part < 0) | (part >= MOST_CLASSES))
        if len(bad):
            top = max((int(each[each < MOST_CLASSES].max(initial=0)) for each in parts), default=0)
            limit = top if part[bad[0]] < 0 else MOST_CLASSES - 1
            raise ValueError(
                f"label {int(part[bad[0]])} of image {bad[0]} is not in 0 .. {limit}: "
                "mend it, or read no labels with --labels none"
            )
    used = np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))
    classes = tuple(map(str, used.tolist()))
    if not len(used) or used[-1] == len(used) - 1:
        return list(parts), classes, ""
    if len(classes) == 1:
        return [np.zeros_like(part) for part in parts], classes, f"only label {classes[0]} occurs: it is the one class"
    note = (
        f"only labels {listed(classes)} occur: they are the {len(classes)} classes, "
        "and the numbers between them are none"
    )
    return [np.searchsorted(used, part).astype(np.int64) for part in parts], classes, note


def name_classes(labels: Sequence[int | str]) -> tuple[list[int], tuple[str, ...], str]:
    """Return class numbers, names and a note as number_classes does; texts are numbered in sorted order.

    Texts that are all whole numbers, such as 3 or 3.0, count as numbers.
    """
    known = {str(label) for label in labels}
    whole = {text: text.partition(".")[0] if _WHOLE.fullmatch(text) else "" for text in known}
    names = whole if all(whole.values()) else {text: text for text in known}
    if all(text.isascii() and text.removeprefix("-").isdigit() and len(text) < 19 for text in names.values()):
        given = np.fromiter((int(names[str(label)]) for label in labels), np.int64, len(labels))
        (numbers,), classes, note = number_classes([given])
        return _shared(numbers), classes, note
    classes = tuple(sorted(set(names.values())))
    places = {name: index for index, name in enumerate(classes)}
    return [places[names[str(label)]] for label in labels], classes, ""


def _shared(numbers: NDArray[np.int64]) -> list[int]:
    """Return numbers as a list that holds each of them once, as a million objects take 30 MB."""
    once = {number: number for number in np.unique(numbers).tolist()}
    return [once[number] for number in numbers.tolist()]


def empty_classes(classes: Sequence[str], used: Set[int]) -> list[str]:
    """Return a note that names the classes which no label has; empty if all are used."""
    empty = [name for index, name in enumerate(classes) if index not in used]
    return [f"no image is of class {listed(empty)}"] if empty else []


def listed(names: Sequence[str]) -> str:
    """Return names as a text, of more than ten the first ten."""
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _places_of_one(array: NDArray[np.generic]) -> NDArray[np.int64]:
    rows = array.astype(np.float64)
    if not (((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all()):
        raise ValueError("one row of integers, or one-hot rows with a single 1 in each")
    places: NDArray[np.int64] = rows.argmax(axis=1).astype(np.int64)
    return places


def single_labels(array: NDArray[np.generic]) -> tuple[NDArray[np.int64], str]:
    """Return one label an image of [N], [N, 1] or one-hot [N, K] numbers, and a note on how they were read.

    Raises ValueError, with what they must be, for other arrays.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    note = ""
    if array.ndim == 2 and array.dtype.kind in "biuf":
        step = max(1, (1 << 20) // max(1, array.shape[1]))  # as float64 they take up to eight times the memory
        parts = [_places_of_one(array[start : start + step]) for start in range(0, len(array), step)]
        array = np.concatenate([np.zeros(0, np.int64), *parts])
        note = "its one-hot rows are read as the place of the 1"
    if array.dtype.kind == "f" and (array == np.rint(array)).all() and (np.abs(array) < 1 << 53).all():
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "biu":
        raise ValueError("one row of integers")
    if array.dtype == np.uint64 and len(array) and array.max() > np.iinfo(np.int64).max:
        raise ValueError("one row of integers below 65,536")
    return array.astype(np.int64), note
