"""The layout of a tree of files: which images are whose split, and what their labels and captions are.

Splits are folders at the top: see genkit.data.splits. Labels come from the first of these that is there: a file that
the user names, ``dataset.json`` of StyleGAN's tools, ``metadata.csv``, ``.jsonl`` or ``.parquet`` of Hugging Face,
class folders. A class folder is a folder of the first level; deeper folders belong to their class.
"""

from __future__ import annotations

import array
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, overload

from genkit.data.annotations import METADATA, STYLEGAN, Annotations, caption_lines, is_stylegan, parse
from genkit.data.labelling import listed, name_classes
from genkit.data.source import DatasetRequest, SplitName, unreadable
from genkit.data.splits import find_splits
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
    images: Sequence[str], others: Sequence[str], read: Callable[[str], bytes], location: str, request: DatasetRequest
) -> Layout:
    """Return the layout of images among other files, whose content ``read`` returns.

    Raises DataError where splits or labels can't be told, with the choice that tells them.
    """
    folders = _Folders(images)
    splits, inner, notes = find_splits(folders.first, location, request.labels)
    kept = array.array("I", (place for place, number in enumerate(folders.of) if folders.first[number] in inner))
    names = Chosen(images, kept)
    files = _annotations(names, others, read, location, request)
    captions = _caption_files(names, others, read)
    labels: dict[str, str | int] = {}
    for each in files:
        captions |= each.captions
        labels |= each.labels
    notes += [note for each in files for note in each.notes]

    def found(numbers: Iterable[int | None], classes: tuple[str, ...] = (), undecided: str = "") -> Layout:
        members = (
            Member(place, splits.get(folders.first_of(place)), number, captions.get(images[place], ()))
            for place, number in zip(kept, numbers, strict=False)
        )
        return Layout(members, len(kept), classes, notes, undecided)

    if request.labels == "none":
        return found(itertools.repeat(None))
    if request.labels != "folders" and any(each.labelled for each in files):
        if not labels:
            return found(itertools.repeat(None))
        missing = [name for name in names if name not in labels]
        if missing:
            raise DataError(
                f"{files[0].location} has no label for {missing[0]} ({len(missing):,} of {len(kept):,} images): "
                "add it, or read none with --labels none"
            )
        try:
            numbers, classes, note = name_classes([labels[name] for name in names])
        except ValueError as error:
            raise DataError(f"{files[0].location}: {error}") from error
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
    images: Sequence[str], others: Sequence[str], read: Callable[[str], bytes], location: str, request: DatasetRequest
) -> list[Annotations]:
    """Return the annotation files, their names of images made those of the tree."""
    index, labelled = _Index(images, location), request.labels != "none"
    if request.labels not in ("", "none", "folders"):
        path = Path(request.labels).expanduser()
        try:
            data = read_file(path, entire())
        except OSError as error:
            raise unreadable(path, error) from error
        found = parse(data, path.name, str(path), lambda text: bool(index.find(text)))
        return [_renamed(found, "", index)]
    files = []
    for name in sorted(others):
        folder, _, base = name.rpartition("/")
        if base not in (*METADATA, STYLEGAN) or (folder and not any(each.startswith(f"{folder}/") for each in images)):
            continue
        data = read(name)
        if base == STYLEGAN and (request.labels in ("none", "folders") or not is_stylegan(data)):
            continue
        prefix = f"{folder}/" if folder else ""
        found = parse(data, base, f"{location}/{name}", lambda text: bool(index.find(text)), labelled=labelled)
        files.append(_renamed(found, prefix, index))
    return files


def _renamed(read: Annotations, prefix: str, index: _Index) -> Annotations:
    """Return annotations by the names of the tree; raises DataError if none of them is an image of it."""
    found = Annotations(read.location, notes=read.notes, labelled=read.labelled)
    for name in dict.fromkeys(read.names):
        if image := index.find(name, prefix):
            found.add(image, read.labels.get(name), read.captions.get(name, ()))
    if read.names and not found.names:
        raise DataError(f"{read.location} names {read.names[0]}, and no image of that name is there: check its files")
    return found


class _Index:
    """Finds the image that an annotation names; what it takes is made when the first is looked for."""

    def __init__(self, images: Sequence[str], location: str) -> None:
        self.root = f"{location}/"
        self.images = images

    @functools.cached_property
    def names(self) -> set[str]:
        """All names."""
        return set(self.images)

    @functools.cached_property
    def by_file(self) -> dict[str, list[str]]:
        """The names by their last part."""
        found: dict[str, list[str]] = {}
        for name in self.images:
            found.setdefault(name.rpartition("/")[2], []).append(name)
        return found

    def find(self, text: str, prefix: str = "") -> str:
        """Return the image of this path below ``prefix``, or the only one whose path ends so, or ''.

        A name may also stand as it is shown, with what is not text written as in JSON.
        """
        for each in (text, read_back(text)):
            if prefix + each in self.names:
                return prefix + each
        text = text.strip().replace("\\", "/").removeprefix(self.root).removeprefix("./")
        if prefix + text in self.names:
            return prefix + text
        matches = self.by_file.get(PurePosixPath(text).name, [])
        ends = [name for name in matches if name.endswith(f"/{text}") or name == text]
        return ends[0] if len(ends) == 1 else ""


def _caption_files(
    images: Sequence[str], others: Sequence[str], read: Callable[[str], bytes]
) -> dict[str, tuple[str, ...]]:
    """Return the captions in the text files that have the name of an image, a line each."""
    texts = {name.removesuffix(_CAPTION): name for name in others if name.endswith(_CAPTION)}
    found = {}
    for image in images if texts else ():
        name = texts.get(image.rpartition(".")[0])
        if name is not None:
            found[image] = caption_lines(read(name))
    return found
