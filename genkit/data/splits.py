"""Folders of splits: which images of a tree are training images, and which are test images.

Splits are folders at the top, in any case: ``train``, and ``test`` or, without it, ``val``, ``valid`` or
``validation``. Their names may share another word (``train2017`` and ``val2017``). Splits of several sets, such as
``trainA testA trainB testB`` of CycleGAN or ``A/train A/test B/train B/test``, are no classes: one is to be chosen.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from genkit.data.source import SPLITS, SplitName
from genkit.errors import DataError

Kind = Literal["train", "val", "test"]

_WORDS = re.compile(r"(?:train|val|test)(?=[ab]$)|[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
"""The words of a name such as ``trainA``, ``train_photos`` and ``trainHR``; ``traina`` has two as well."""


def find_splits(
    images: list[str], location: str, labels: str = ""
) -> tuple[dict[str, SplitName], dict[str, list[str]], list[str]]:
    """Return each image's split if there are splits, its path within them, and notes; leaves out what is not used.

    Raises DataError for splits that can't be told; some are told by ``labels``, that of DatasetRequest.
    """
    inner = _strip({name: name.split("/") for name in images})
    inner = _upside_down(inner, location, labels)
    tops = {parts[0] for parts in inner.values() if len(parts) > 1}
    kinds = {top: SPLITS[top.lower()] for top in tops if top.lower() in SPLITS}
    notes = []
    if "train" not in kinds.values() or len(set(kinds.values())) == 1:
        if len(set(kinds.values())) == 2 and len(kinds) == len(tops) and not labels:
            raise DataError(
                f"{location} has {_folders(kinds)} but no train/: give one of them, "
                "or add --labels folders or none if they are no splits"
            )
        kinds = _of_several_words(tops, location, labels)
        if not kinds:
            return {}, inner, []
        notes.append(f"{_folders(kinds)} are read as its splits")
    if len(set(kinds.values())) < len(kinds):
        raise DataError(f"{location} has {', '.join(f'{top}/' for top in sorted(kinds))}, of which two are one split")
    test = "test" if "test" in kinds.values() else "val"
    if test == "test" and "val" in kinds.values():
        left = next(top for top, kind in kinds.items() if kind == "val")
        inner = {name: parts for name, parts in inner.items() if parts[0] != left or len(parts) == 1}
        notes.append(f"{left}/ is left out: train/ is measured against test/")
    elif test == "val":
        notes.append(f"{next(top for top, kind in kinds.items() if kind == 'val')}/ is the test split")
    splits: dict[str, SplitName] = {}
    for name, parts in inner.items():
        if len(parts) == 1 or parts[0] not in kinds:
            folders = _folders(sorted(kinds, key=lambda top: kinds[top] != "train"))
            raise DataError(f"{location} has {folders} but also {name} next to them: move it into one of them")
        splits[name] = "train" if kinds[parts[0]] == "train" else "test"
    return splits, _strip({name: parts[1:] for name, parts in inner.items()}), notes


def _of_several_words(tops: Collection[str], location: str, labels: str) -> dict[str, Kind]:
    """Return the split of each folder where names have another word too, the same in all; else there are none.

    Raises DataError for splits of several sets, unless ``labels`` says what else they are.
    """
    known = {top: (kind, rest) for top in tops for kind, rest in [_words(top)] if kind}
    others = {rest for _, rest in known.values()}
    kinds = {top: kind for top, (kind, _) in known.items()}
    if len(known) == len(tops) > 1 and len(others) == 1 and "train" in kinds.values() and len(set(kinds.values())) > 1:
        return kinds
    shared = any(len({kind for kind, rest in known.values() if rest == other}) > 1 for other in others - {""})
    if not labels and any(others) and len(tops) > 1 and (len(known) == len(tops) or shared):
        raise DataError(
            f"{location} has {_folders(tops)}, which are splits of several sets and no classes: "
            f"{_choice(tops, location)}, or --labels none reads all as one set, --labels folders as classes"
        )
    return {}


def _words(name: str) -> tuple[Kind | Literal[""], str]:
    """Return the split that a folder's name speaks of, or an empty string, and its other words."""
    words = [word.lower() for word in _WORDS.findall(name)]
    found = [word for word in words if word in SPLITS]
    return (SPLITS[found[0]], " ".join(word for word in words if word not in SPLITS)) if len(found) == 1 else ("", "")


def _upside_down(inner: dict[str, list[str]], location: str, labels: str) -> dict[str, list[str]]:
    """Return paths with splits first where each folder has splits of its own, if ``labels`` says what the folders are.

    Raises DataError if it does not.
    """
    tops = {parts[0] for parts in inner.values()}
    second = {parts[1].lower() if len(parts) > 2 else "" for parts in inner.values()}
    kinds = {SPLITS.get(name) for name in second}
    if len(tops) < 2 or None in kinds or "train" not in kinds or len(kinds) < 2:
        return inner
    if not labels:
        raise DataError(
            f"{location} has folders of splits in each of {_folders(tops)}: {_choice(tops, location)}, "
            "or add --labels folders to read them as classes, --labels none to read all as one set"
        )
    return {name: [parts[1], parts[0], *parts[2:]] for name, parts in inner.items()}


def _choice(tops: Collection[str], location: str) -> str:
    """Say how one of several folders is chosen."""
    first = min(tops)
    example = f"name it, e.g. folder:{location}/{first}" if Path(location).is_dir() else f"add --glob '{first}/*'"
    return f"choose one ({example})"


def _folders(names: Collection[str]) -> str:
    """Return names of folders as a text."""
    shown = [f"{name}/" for name in (sorted(names) if not isinstance(names, list) else names)]
    shown = shown if len(shown) <= 6 else [*shown[:5], "..."]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _strip(names: dict[str, list[str]]) -> dict[str, list[str]]:
    """Drop the folders that contain everything."""
    while len({parts[0] for parts in names.values()}) == 1 and all(len(parts) > 1 for parts in names.values()):
        names = {name: parts[1:] for name, parts in names.items()}
    return names
