"""The layout of a tree of files: which images are whose split, and what their labels and captions are.

Splits are folders at the top: see genkit.data.splits. Labels come from the first of these that is there: a file that
the user names, ``dataset.json`` of StyleGAN's tools, ``metadata.csv``, ``.jsonl`` or ``.parquet`` of Hugging Face,
class folders. A class folder is a folder of the first level; deeper folders belong to their class.
"""

from __future__ import annotations

import array
import bisect
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, overload

import numpy as np

from genkit.data.annotations import METADATA, STYLEGAN, Annotations, caption_lines, is_stylegan, parse
from genkit.data.labelling import listed, name_classes
from genkit.data.source import DatasetRequest, SplitName, unreadable
from genkit.data.splits import find_splits
from genkit.data.texts import Places
from genkit.errors import DataError
from genkit.files.reading import entire, read_file
from genkit.files.text import read_back

_SHARD = re.compile(r"\d{5}/img\d{8}\.\w+")
_CAPTION = ".txt"


@dataclass(frozen=True)
class Member:
    """An image's place among those that were asked about, its split, label and captions.

    ``shown`` is the name that the image keeps, by default that of its file.
    """

    place: int
    split: SplitName | None
    label: int | None
    captions: tuple[str, ...] = ()
    shown: str = ""


@dataclass
class Layout:
    """The members of a tree and their number, its classes, how it was read, and ``undecided`` as in SourceItems.

    ``members`` are made as they are asked for, once.
    """

    members: Iterable[Member]
    count: int
    classes: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    undecided: str = ""


class _Folders:
    """The folders of images: what is true of one file in a folder is true of all, so only the first of each is kept."""

    def __init__(self, images: Sequence[str]) -> None:
        self.first: list[str] = []
        self.of = array.array("I")
        """The folder of each image."""
        numbers: dict[str, int] = {}
        for name in images:
            number = numbers.setdefault(name.rpartition("/")[0], len(self.first))
            if number == len(self.first):
                self.first.append(name)
            self.of.append(number)

    def first_of(self, place: int) -> str:
        """Return the first image of an image's folder."""
        return self.first[self.of[place]]


class Chosen(Sequence[str]):
    """Some of many names, by their places."""

    def __init__(self, names: Sequence[str], places: Sequence[int]) -> None:
        self.names, self.places = names, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[str]: ...
    def __getitem__(self, key: Any) -> Any:
        return Chosen(self.names, self.places[key]) if isinstance(key, slice) else self.names[self.places[key]]


def layout(
    images: Sequence[str], others: Sequence[str], read: Callable[[int], bytes], location: str, request: DatasetRequest
) -> Layout:
    """Return the layout of images among other files, whose content ``read`` returns by their place.

    A caption in a file of its own is read when the image's member is made, and not held before. Raises DataError where
    splits or labels can't be told, with the choice that tells them.
    """
    folders = _Folders(images)
    splits, inner, notes = find_splits(folders.first, location, request.labels)
    kept = array.array("I", (place for place, number in enumerate(folders.of) if folders.first[number] in inner))
    names = Chosen(images, kept)
    files = _annotations(names, others, read, location, request)
    captions = _CaptionFiles(others, read)
    notes += [note for each in files for note in each.read.notes]

    def found(numbers: Iterable[int | None], classes: tuple[str, ...] = (), undecided: str = "") -> Layout:
        members = (
            Member(place, splits.get(folders.first_of(place)), number, _captions(files, index) or captions.of(name))
            for index, (place, name, number) in enumerate(zip(kept, names, numbers, strict=False))
        )
        return Layout(members, len(kept), classes, notes, undecided)

    if request.labels == "none":
        return found(itertools.repeat(None))
    if request.labels != "folders" and any(each.read.labelled for each in files):
        told = [_label(files, index) for index in range(len(kept))]
        labels = [label for label in told if label is not None]
        if not labels:
            return found(itertools.repeat(None))
        if len(labels) < len(told):
            raise DataError(
                f"{files[0].read.location} has no label for {names[told.index(None)]} "
                f"({len(told) - len(labels):,} of {len(kept):,} images): add it, or read none with --labels none"
            )
        try:
            numbers, classes, note = name_classes(labels)
        except ValueError as error:
            raise DataError(f"{files[0].read.location}: {error}") from error
        notes += [note] if note else []
        return found(numbers, classes)
    if request.labels != "folders" and _are_shards(names, inner, folders, kept):
        notes.append("folders 00000, 00001, ... are shards, not classes")
        return found(itertools.repeat(None))
    by_folder, classes, undecided = _by_folders(inner, location, request, notes)
    return found((by_folder.get(folders.first_of(place)) for place in kept), classes, undecided)


def _are_shards(names: Sequence[str], inner: Mapping[str, list[str]], folders: _Folders, kept: Sequence[int]) -> bool:
    """Return whether all images have the names of StyleGAN's shards."""
    within = {name: "/".join(parts[:-1]) for name, parts in inner.items()}
    paths = (
        f"{within[folders.first_of(place)]}/{name.rpartition('/')[2]}" for place, name in zip(kept, names, strict=True)
    )
    return all(map(_SHARD.fullmatch, paths))


def _by_folders(
    inner: Mapping[str, list[str]], location: str, request: DatasetRequest, notes: list[str]
) -> tuple[dict[str, int], tuple[str, ...], str]:
    """Return the label of each folder by its first image, the classes, and ``undecided``; ``notes`` are added to."""
    flat = [name for name, parts in inner.items() if len(parts) == 1]
    foldered = [name for name, parts in inner.items() if len(parts) > 1]
    if flat and foldered:
        undecided = (
            f"{location} has images in class folders ({foldered[0]}) and outside them ({flat[0]}): choose one layout, "
            "or read no labels with --labels none"
        )
        if request.labels == "folders":
            raise DataError(undecided)
        notes.append("images in folders and outside them are read without labels")
        return {}, (), undecided
    classes = tuple(sorted({inner[name][0] for name in foldered}))
    numbers = {label: index for index, label in enumerate(classes)}
    if not classes and request.labels == "folders":
        notes.append("it has no two class folders, so its images have no labels")
    if classes and not request.labels:
        notes.append(f"its folders are read as classes: {listed(classes)} (--labels none leaves them out)")
    return {name: numbers[inner[name][0]] for name in foldered}, classes, ""


def _annotations(
    images: Sequence[str], others: Sequence[str], read: Callable[[int], bytes], location: str, request: DatasetRequest
) -> list[_Told]:
    """Return what the annotation files say of the images."""
    index, labelled = _Index(images, location), request.labels != "none"

    def known(text: str) -> bool:
        return index.find(text) >= 0

    if request.labels not in ("", "none", "folders"):
        path = Path(request.labels).expanduser()
        try:
            data = read_file(path, entire())
        except OSError as error:
            raise unreadable(path, error) from error
        return [_Told(parse(data, path.name, str(path), known), "", index)]
    files = []
    tables = [(name, place) for place, name in enumerate(others) if name.rpartition("/")[2] in (*METADATA, STYLEGAN)]
    for name, place in sorted(tables):
        folder, _, base = name.rpartition("/")
        if folder and not any(each.startswith(f"{folder}/") for each in images):
            continue
        data = read(place)
        if base == STYLEGAN and (request.labels in ("none", "folders") or not is_stylegan(data)):
            continue
        prefix = f"{folder}/" if folder else ""
        files.append(_Told(parse(data, base, f"{location}/{name}", known, labelled=labelled), prefix, index))
    return files


class _Told:
    """What an annotation file says of images, by their place; raises DataError if it names none of them."""

    def __init__(self, read: Annotations, prefix: str, index: _Index) -> None:
        self.read = read
        places = np.fromiter((index.find(name, prefix) for name in read.names), np.int64, len(read.names))
        if len(places) and places.max() < 0:
            raise DataError(
                f"{read.location} names {read.names[0]}, and no image of that name is there: check its files"
            )
        rows = np.argsort(places, kind="stable").astype(np.int64)
        self._rows, self._places = (array.array("q", each.tobytes()) for each in (rows, places[rows]))

    def rows(self, place: int) -> Sequence[int]:
        """Return the rows of an image; those that write its name in one way follow each other."""
        start = bisect.bisect_left(self._places, place)
        rows = self._rows[start : bisect.bisect_right(self._places, place, start)]
        if len(rows) < 2:
            return rows
        names = [self.read.names[row] for row in rows]
        return [row for name in dict.fromkeys(names) for row, own in zip(rows, names, strict=True) if own == name]


def _label(files: Sequence[_Told], place: int) -> str | int | None:
    """Return what the last of some files that labels an image says; raises DataError if one says two labels."""
    found = None
    for each in files:
        label = each.read.label(each.rows(place))
        found = found if label is None else label
    return found


def _captions(files: Sequence[_Told], place: int) -> tuple[str, ...]:
    """Return the captions of the last of some files that has some of an image."""
    for each in reversed(files):
        if texts := dict.fromkeys(text for row in each.rows(place) for text in each.read.captions[row]):
            return tuple(texts)
    return ()


class _Index:
    """Finds the image that an annotation names; what it takes is made when the first is looked for."""

    def __init__(self, images: Sequence[str], location: str) -> None:
        self.root = f"{location}/"
        self.images = images

    @functools.cached_property
    def names(self) -> Places:
        """Where a name may be."""
        return Places(self.images)

    @functools.cached_property
    def by_file(self) -> Places:
        """Where names with the same last part may be."""
        return Places(name.rpartition("/")[2] for name in self.images)

    def find(self, text: str, prefix: str = "") -> int:
        """Return the place of the image of this path below ``prefix``, or of the only one whose path ends so, or -1.

        A name may also stand as it is shown, with what is not text written as in JSON.
        """
        for each in (text, read_back(text)):
            if (place := self._named(prefix + each)) >= 0:
                return place
        text = text.strip().replace("\\", "/").removeprefix(self.root).removeprefix("./")
        if (place := self._named(prefix + text)) >= 0:
            return place
        ends = [
            place
            for place in self.by_file.of(PurePosixPath(text).name)
            if (name := self.images[place]).endswith(f"/{text}") or name == text
        ]
        return ends[0] if len(ends) == 1 else -1

    def _named(self, name: str) -> int:
        return next((place for place in self.names.of(name) if self.images[place] == name), -1)


class _CaptionFiles:
    """The text files that have the names of images, and in each line a caption; read when they are asked for."""

    def __init__(self, others: Sequence[str], read: Callable[[int], bytes]) -> None:
        self.others, self.read = others, read
        self._files = array.array("I", (place for place, name in enumerate(others) if name.endswith(_CAPTION)))
        self._stems = Places(others[place].removesuffix(_CAPTION) for place in self._files)

    def of(self, image: str) -> tuple[str, ...]:
        """Return the captions of an image."""
        name = image.rpartition(".")[0] + _CAPTION
        for place in (self._files[each] for each in self._stems.of(name.removesuffix(_CAPTION))):
            if self.others[place] == name:
                return caption_lines(self.read(place))
        return ()
