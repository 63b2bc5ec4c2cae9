"""Data sets in one file or in shards: finding the files, their splits, and samples with labels and captions."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genkit.data.arrange import Layout, Member
from genkit.data.labelling import empty_classes, name_classes
from genkit.data.source import SPLITS, DatasetRequest, SplitName, file_stamp
from genkit.data.texts import Captions, Texts
from genkit.data.tree import Tree
from genkit.errors import DataError, MissingError, UsageError

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_OF = re.compile(r"-(\d{5})-of-(\d{5})(?=[-.])")


@dataclass(frozen=True)
class Shard:
    """One file of a data set, and its split if several are there."""

    path: Path
    split: SplitName | None = None


class Samples:
    """What a container says of its images, in the order in which they are packed."""

    def __init__(self) -> None:
        self.names = Texts()
        self.splits: list[SplitName | None] = []
        self.labels: list[int | str | None] = []
        self.captions = Captions()
        self.silent = True
        """Whether nothing is said besides names."""
        self._known: dict[tuple[type, int | str], int | str] = {}

    def add(
        self,
        name: str,
        split: SplitName | None = None,
        label: int | str | None = None,
        captions: tuple[str, ...] = (),
    ) -> None:
        """Add an image."""
        self.names.append(name)
        self.splits.append(split)
        if isinstance(label, int | str):  # each is held once
            label = self._known.setdefault((type(label), label), label)
        self.labels.append(label)
        self.captions.append(captions)
        self.silent &= split is None and label is None and not captions


class SampleTree(Tree):
    """Images of a container that says their labels and captions itself."""

    def __init__(self, location: str, request: DatasetRequest) -> None:
        self.location = location
        self.request = request
        self.said: list[str] = []
        self._samples: Samples | None = None
        request.refuse_labels(location)

    @abstractmethod
    def read_samples(self) -> Samples:
        """Return all images, in the order in which they are packed."""

    def class_names(self) -> tuple[str, ...]:
        """Return the names of classes 0 .. K-1 if the container has them."""
        return ()

    def samples(self) -> Samples:
        """Return all images; they are listed once."""
        if self._samples is None:
            self._samples = self.read_samples()
        return self._samples

    def names(self) -> Sequence[str]:
        """Return the images' names."""
        return self.samples().names

    def images(self) -> Sequence[int]:
        """Return the images' places in the container's order."""
        return range(len(self.names()))

    def notes(self) -> list[str]:
        """Return how the container was read."""
        return self.said

    def shown(self, place: int) -> str:
        """Return the name that an image keeps."""
        return ""

    def layout(self, places: Sequence[int]) -> Layout | None:
        """Return splits, labels and captions as the container says them; raises DataError if some labels are absent."""
        found = self.samples()
        labels: list[int | str] = []
        if self.request.labels != "none":
            labels = [label for place in places if (label := found.labels[place]) is not None]
        if wrong := [each for each in labels if not isinstance(each, int | float | str)]:
            raise DataError(
                f"{self.location} has the label {wrong[0]!r:.60}: an image has one number or name, "
                "so read no labels with --labels none"
            )
        if labels and len(labels) < len(places):
            bare = next(place for place in places if found.labels[place] is None)
            raise DataError(
                f"{self.full_name(bare)} has no label though others have: add it, or leave all out with --labels none"
            )
        numbers, classes = self._numbered(labels)
        members = (
            Member(
                index,
                found.splits[place],
                numbers[index] if numbers else None,
                found.captions[place],
                self.shown(place),
            )
            for index, place in enumerate(places)
        )
        return Layout(members, len(places), classes)

    def _numbered(self, labels: list[int | str]) -> tuple[list[int], tuple[str, ...]]:
        classes = self.class_names() if labels else ()
        if classes:
            places = {name: index for index, name in enumerate(classes)}
            numbers = [label if isinstance(label, int) else places.get(label, -1) for label in labels]
            wrong = [label for label, number in zip(labels, numbers, strict=True) if not 0 <= number < len(classes)]
            if wrong:
                raise DataError(
                    f"{self.location} has label {wrong[0]} where its classes are 0 .. {len(classes) - 1}: "
                    "leave such images out, or labels with --labels none"
                )
            self.said += empty_classes(classes, set(numbers))
            return numbers, classes
        try:
            numbers, classes, note = name_classes(labels)
        except ValueError as error:
            raise DataError(f"{self.location}: {error}") from error
        self.said += [note] if note else []
        return numbers, classes


def find_shards(path: Path, suffix: str) -> tuple[list[Shard], list[str]]:
    """Return the files of a data set in order, training ones first, and notes on splits left out.

    ``path``: one file, a folder (with a folder ``data`` in it), or ``name-{000000..000146}.tar``. The splits are those
    in the files' names; raises MissingError for a file that is not there, DataError for names that can't be told.
    """
    files = _files(path, suffix)
    if len(files) > 1 or path.is_dir():
        _refuse_gaps(path, files)
    kinds = {file: _split_of(file, path) for file in files}
    used = set(kinds.values())
    if "train" not in used or len(used) == 1:
        return [Shard(file) for file in files], []
    if bare := [file for file, kind in kinds.items() if not kind]:
        raise DataError(f"{path} has files of splits, but {bare[0].name} names none: rename it or move it away")
    second = "test" if "test" in used else "val"
    notes = []
    if {"val", "test"} <= used:
        notes.append("train is trained on and test tested on; validation is left out")
    elif second == "val":
        notes.append("validation is the test split, as there is no test")
    train = [Shard(file, "train") for file, kind in kinds.items() if kind == "train"]
    return train + [Shard(file, "test") for file, kind in kinds.items() if kind == second], notes


def _files(path: Path, suffix: str) -> list[Path]:
    found = _RANGE.search(path.name)
    if found:
        first, last, width = int(found[1]), int(found[2]), len(found[1])
        if last < first or last - first >= 100_000:
            raise UsageError(f"{path.name} names no shards: write the lower number first")
        names = [
            f"{path.name[: found.start()]}{number:0{width}d}{path.name[found.end() :]}"
            for number in range(first, last + 1)
        ]
        files = [path.with_name(name) for name in names]
        if missing := [file for file in files if not file.is_file()]:
            raise MissingError(
                f"{missing[0]} is missing, with {len(missing) - 1} more of {len(files)} shards: fetch them, or name "
                "the range that is there"
            )
        return files
    if not path.is_dir():
        if not path.is_file():
            raise MissingError(f"there is no {path}: check the path")
        return [path]
    files = sorted(
        file
        for folder in (path, *(each for each in sorted(path.iterdir()) if each.is_dir()))
        for file in folder.glob(f"*{suffix}")
        if not file.name.startswith((".", "metadata."))
    )
    if not files:
        raise DataError(f"{path} holds no {suffix} files: give it some")
    return files


def _refuse_gaps(path: Path, files: list[Path]) -> None:
    """Raise MissingError if a file of ``name-00000-of-00005`` is not there."""
    names = {file.name for file in files}
    for name in sorted(names):
        if found := _OF.search(name):
            for number in range(int(found[2])):
                due = f"{name[: found.start(1)]}{number:05d}{name[found.end(1) :]}"
                stem = re.compile(re.escape(due[: found.end()]))
                if not any(stem.match(each) for each in names):
                    raise MissingError(f"{path} lacks {due}, one of {int(found[2])} files: fetch it")


def _split_of(file: Path, root: Path) -> str:
    """Return "train", "val", "test" or an empty string by the words of a file's name, or of its folder's."""
    names = [file.name.lower()] + ([file.parent.name.lower()] if file.parent != root and root.is_dir() else [])
    for name in names:
        for word in re.split(r"[-_.\s]+", name):
            if word in SPLITS:
                return SPLITS[word]
    return ""


def shards_key(path: Path, suffix: str) -> Any:
    """Return the path, size, times and inode of every file."""
    return [[str(shard.path.resolve()), *file_stamp(shard.path)] for shard in find_shards(path, suffix)[0]]
