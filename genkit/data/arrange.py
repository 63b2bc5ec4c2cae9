"""The layout of a tree of files: which images are whose split, and what their labels and captions are.

Splits are folders at the top: see genkit.data.splits. Labels come from the first of these that is there: a file that
the user names, ``dataset.json`` of StyleGAN's tools, ``metadata.csv``, ``.jsonl`` or ``.parquet`` of Hugging Face,
class folders. A class folder is a folder of the first level; deeper folders belong to their class.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

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
    """A file's split, label and captions; ``shown`` is the name that its image keeps, by default ``name``."""

    name: str
    split: SplitName | None
    label: int | None
    captions: tuple[str, ...] = ()
    shown: str = ""


@dataclass
class Layout:
    """The members of a tree, its classes, sentences on how it was read, and ``undecided`` as in SourceItems."""

    members: list[Member]
    classes: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    undecided: str = ""


def layout(
    images: list[str], others: Sequence[str], read: Callable[[str], bytes], location: str, request: DatasetRequest
) -> Layout:
    """Return the layout of images among other files, whose content ``read`` returns.

    Raises DataError where splits or labels can't be told, with the choice that tells them.
    """
    splits, inner, notes = find_splits(images, location, request.labels)
    kept = [name for name in images if name in inner]
    members = [Member(name, splits.get(name), None) for name in kept]
    files = _annotations(kept, others, read, location, request)
    captions = _caption_files(kept, others, read)
    labels: dict[str, str | int] = {}
    for each in files:
        captions |= each.captions
        labels |= each.labels
    members = [replace(each, captions=captions.get(each.name, ())) for each in members]
    notes += [note for each in files for note in each.notes]
    if request.labels == "none":
        return Layout(members, (), notes)
    if request.labels != "folders" and any(each.labelled for each in files):
        if not labels:
            return Layout(members, (), notes)
        missing = [name for name in kept if name not in labels]
        if missing:
            raise DataError(
                f"{files[0].location} has no label for {missing[0]} ({len(missing):,} of {len(kept):,} images): "
                "add it, or read none with --labels none"
            )
        try:
            numbers, classes, note = name_classes([labels[name] for name in kept])
        except ValueError as error:
            raise DataError(f"{files[0].location}: {error}") from error
        return Layout(
            [replace(each, label=number) for each, number in zip(members, numbers, strict=True)],
            classes,
            [*notes, *([note] if note else [])],
        )
    return _by_folders(members, inner, location, request, notes)


def _by_folders(
    members: list[Member], inner: dict[str, list[str]], location: str, request: DatasetRequest, notes: list[str]
) -> Layout:
    if request.labels != "folders" and all(_SHARD.fullmatch("/".join(parts)) for parts in inner.values()):
        return Layout(members, (), [*notes, "folders 00000, 00001, ... are shards, not classes"])
    flat = [name for name, parts in inner.items() if len(parts) == 1]
    foldered = [name for name, parts in inner.items() if len(parts) > 1]
    if flat and foldered:
        undecided = (
            f"{location} has images in class folders ({foldered[0]}) and outside them ({flat[0]}): choose one layout, "
            "or read no labels with --labels none"
        )
        if request.labels == "folders":
            raise DataError(undecided)
        return Layout(members, (), [*notes, "images in folders and outside them are read without labels"], undecided)
    classes = tuple(sorted({inner[name][0] for name in foldered}))
    numbers = {label: index for index, label in enumerate(classes)}
    if not classes and request.labels == "folders":
        notes = [*notes, "it has no two class folders, so its images have no labels"]
    if classes and not request.labels:
        notes = [*notes, f"its folders are read as classes: {listed(classes)} (--labels none leaves them out)"]
    return Layout([replace(each, label=numbers.get(inner[each.name][0])) for each in members], classes, notes)


def _annotations(
    images: list[str], others: Sequence[str], read: Callable[[str], bytes], location: str, request: DatasetRequest
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
        folder = name.rpartition("/")[0]
        base = name.rpartition("/")[2]
        below = [each for each in images if not folder or each.startswith(f"{folder}/")]
        if not below or base not in (*METADATA, STYLEGAN):
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
    """Finds the image that an annotation names."""

    def __init__(self, images: list[str], location: str) -> None:
        self.root = f"{location}/"
        self.names = set(images)
        self.by_file: dict[str, list[str]] = {}
        for name in images:
            self.by_file.setdefault(PurePosixPath(name).name, []).append(name)

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
    images: list[str], others: Sequence[str], read: Callable[[str], bytes]
) -> dict[str, tuple[str, ...]]:
    """Return the captions in the text files that have the name of an image, a line each."""
    texts = {name.removesuffix(_CAPTION): name for name in others if name.endswith(_CAPTION)}
    found = {}
    for image in images:
        name = texts.get(image.rpartition(".")[0])
        if name is not None:
            found[image] = caption_lines(read(name))
    return found
