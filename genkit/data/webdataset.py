"""WebDataset: tar shards in which files of one base name are a sample, such as ``0007.jpg 0007.cls 0007.txt``.

The key is a file's path up to the first dot of its name. ``.cls`` is the label, ``.txt`` a caption, and ``.json`` has
either under ``label``, ``caption`` or ``text``. A single tar without any of these is read as a zip is: by its
``dataset.json`` or ``metadata.csv``, or by its folders. Within a shard images are in the order of their names. Nothing
is unpacked to disk.
"""

from __future__ import annotations

import array
import itertools
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, overload

import numpy as np

from genkit.data.annotations import CAPTIONS, LABELS, METADATA, STYLEGAN, caption_lines, caption_texts
from genkit.data.arrange import Layout, layout
from genkit.data.pieces import Piece
from genkit.data.shards import Samples, SampleTree, Shard, find_shards, shards_key
from genkit.data.source import DatasetRequest, Source, unreadable
from genkit.data.texts import Places, Texts
from genkit.data.tree import TreeSource, folder_by_folder, is_wanted
from genkit.errors import DataError
from genkit.files.reading import open_file, parse_json, reason
from genkit.files.text import check_names

IMAGES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".j2k"])
NOTES = ("cls", "txt", "json")
"""The kinds of files that say something of a sample."""

_TEXT_LIMIT = 1 << 20
_HEADER_LIMIT = 1 << 20
_COMPRESSED = {b"\x1f\x8b": "gunzip", b"BZh": "bunzip2", b"\xfd7zXZ\x00": "unxz", b"\x28\xb5\x2f\xfd": "unzstd"}
"""The tool that unpacks a file with these first bytes."""


class TarTree(SampleTree):
    """The images of one or several tar files."""

    in_place = True

    def __init__(self, path: Path, request: DatasetRequest) -> None:
        super().__init__(str(path), request)
        self.path = path
        self._shards: list[tuple[Path, str]] = []
        """The files, and what stands before the names of their images."""
        self._shard = array.array("I")
        self._starts, self._sizes = array.array("q"), array.array("q")
        self._others: dict[str, Piece] = {}

    def key(self) -> Any:
        """Return each shard's path, size, times and inode."""
        return shards_key(self.path, ".tar")

    def read_samples(self) -> Samples:
        """List all shards; raises DataError for a tar that is damaged and for labels that can't be read."""
        shards, notes = find_shards(self.path, ".tar")
        self.said += notes
        found = Samples()
        for shard in shards:
            self._shards.append((shard.path, f"{shard.path.name}/" if len(shards) > 1 else ""))
            self._read_shard(shard, found)
        return found

    def layout(self, places: Sequence[int]) -> Layout | None:
        """Return what the samples say, or what the folders in the shards say where they say nothing."""
        if not self.samples().silent:
            self._refuse_several(places)
            return super().layout(places)
        if self.request.labels == "none" or self._repeated(places):
            return super().layout(places)
        names = _Inner(self, places)
        others = list(self._others)
        found = layout(names, others, lambda place: self._text(others[place]), self.location, self.request)
        if found.undecided:
            raise DataError(found.undecided)
        self.said += found.notes
        members = (replace(each, captions=(), shown=names[each.place]) for each in found.members)
        return replace(found, members=members, notes=[])

    def shown(self, place: int) -> str:
        """Return an image's name in its shard."""
        return self.names()[place].removeprefix(self._shards[self._shard[place]][1])

    def _repeated(self, places: Sequence[int]) -> bool:
        """Return whether several shards have images of one name."""
        if len(self._shards) == 1:
            return False
        hashes = np.fromiter((hash(self.shown(place)) for place in places), np.int64, len(places))
        return len(np.unique(hashes)) < len(places)

    def _refuse_several(self, places: Sequence[int]) -> None:
        """Raise DataError if a sample has several images, such as an input and its mask: they follow each other."""
        names = self.names()
        for one, two in itertools.pairwise(places):
            first, second = self.shown(one), self.shown(two)
            base = _base(first)
            if self._shard[one] == self._shard[two] and base == _base(second):
                raise DataError(
                    f"{self.location} has several images of one sample, such as {names[one]} and {names[two]}: "
                    f"choose with --glob '*{first.removeprefix(base)}'"
                )

    def piece(self, place: int) -> Piece:
        """Return an image's part of its shard."""
        path = str(self._shards[self._shard[place]][0])
        return Piece(self.full_name(place), path=path, part=(self._starts[place], self._sizes[place]))

    def full_name(self, place: int) -> str:
        """Return an image's name, with its shard's in front."""
        return f"{self._shards[self._shard[place]][0]}/{self.shown(place)}"

    def _text(self, name: str) -> bytes:
        with self._others[name].open() as file:
            return file.read()

    def _read_shard(self, shard: Shard, found: Samples) -> None:
        prefix = self._shards[-1][1]
        images, notes = _Members(), _Members()
        links, first = 0, ""
        for info in _listing(shard.path, self.limit):
            name = info.name.replace("\\", "/").removeprefix("./")
            if info.issym() or info.islnk():
                links, first = links + 1, first or info.name
            if ".." in name.split("/"):
                raise DataError(f"{shard.path} is refused: its member {info.name!r} climbs out of the folder")
            if not info.isreg():
                continue
            if any(part.startswith(".") for part in name.split("/")):
                continue
            kind = name.rpartition(".")[2].lower()
            if PurePosixPath(name).suffix.lower() in IMAGES and is_wanted(name):
                images.add(name, info.offset_data, info.size)
            elif name.rpartition("/")[2] in (*METADATA, STYLEGAN):
                part = info.offset_data, info.size
                self._others[name] = Piece(f"{shard.path}/{name}", path=str(shard.path), part=part)
            elif kind in NOTES:
                notes.add(f"{_base(name)}.{kind}", info.offset_data, min(info.size, _TEXT_LIMIT))
        if links:
            self.said.append(f"{shard.path.name} has {links:,} links, such as {first}, which are not read")
        places = Places(notes.names)
        before = ""
        for place in folder_by_folder(images.names, range(len(images.names))):
            name = images.names[place]
            if name == before:
                raise DataError(f"{shard.path} holds {name} twice: make it anew")
            before = name
            self._shard.append(len(self._shards) - 1)
            self._starts.append(images.starts[place])
            self._sizes.append(images.sizes[place])
            base = _base(name)
            texts = {
                kind: _read(shard.path, *at, f"{shard.path}/{base}.{kind}")
                for kind in NOTES
                if (at := notes.last(f"{base}.{kind}", places)) is not None
            }
            label, captions = _said(texts, f"{shard.path}/{base}", self.request.labels != "none")
            found.add(prefix + name, shard.split, label, captions)


class _Members:
    """Files in a tar, in little memory: their names, and where they are."""

    def __init__(self) -> None:
        self.names = Texts()
        self.starts, self.sizes = array.array("q"), array.array("q")

    def add(self, name: str, start: int, size: int) -> None:
        self.names.append(name)
        self.starts.append(start)
        self.sizes.append(size)

    def last(self, name: str, places: Places) -> tuple[int, int] | None:
        """Return start and size of the last file of a name, as unpacking keeps; None if there is none."""
        found = [place for place in places.of(name) if self.names[place] == name]
        return (self.starts[found[-1]], self.sizes[found[-1]]) if found else None


class _Inner(Sequence[str]):
    """The names that some images have in their shards."""

    def __init__(self, tree: TarTree, places: Sequence[int]) -> None:
        self.tree, self.places = tree, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[str]: ...
    def __getitem__(self, key: Any) -> Any:
        return _Inner(self.tree, self.places[key]) if isinstance(key, slice) else self.tree.shown(self.places[key])


def _base(name: str) -> str:
    """Return a sample's key: the path up to the first dot of the file's name."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _said(notes: dict[str, bytes], name: str, labelled: bool) -> tuple[int | str | None, tuple[str, ...]]:
    """Return the label and captions that the files beside an image give."""
    label: int | str | None = None
    captions: list[str] = []
    try:
        texts = {kind: data.decode("utf-8").strip() for kind, data in notes.items()}
        if "json" in texts:
            told = check_names(parse_json(texts["json"]))
            told = told if isinstance(told, dict) else {}
            label = next((told[each] for each in LABELS if told.get(each) is not None), None)
            captions += caption_texts([told.get(each) for each in CAPTIONS])
    except ValueError as error:
        raise DataError(f"the text beside {name} can't be read ({error}): write it as UTF-8 text or JSON") from error
    if texts.get("cls"):
        label = texts["cls"]
    captions = [*caption_lines(notes.get("txt", b"")), *captions]
    return label if labelled else None, tuple(dict.fromkeys(captions))


def _listing(path: Path, limit: int) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar, none of which is kept."""
    try:
        with open_file(path, _HEADER_LIMIT) as raw, tarfile.open(fileobj=raw, mode="r:") as file:
            end = path.stat().st_size
            while (info := file.next()) is not None:
                file.members = []  # type: ignore[attr-defined]  # which keeps all that were read
                if info.sparse is not None or info.size > limit or info.offset_data + info.size > end:
                    raise DataError(f"{path} is damaged at {info.name}, which claims {info.size:,} bytes: make it anew")
                yield info
    except FileNotFoundError as error:
        raise unreadable(path, error) from error
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        start = _read(path, 0, 6, str(path)) if path.is_file() else b""
        for magic, tool in _COMPRESSED.items():
            if start.startswith(magic):
                raise DataError(f"{path} is a compressed tar: unpack it with {tool} first") from error
        raise DataError(f"{path} is not a readable tar file ({reason(error)}): it may be truncated") from error


def _read(path: Path, start: int, size: int, name: str) -> bytes:
    try:
        with open_file(path) as file:
            file.seek(start)
            return file.read(size)
    except OSError as error:
        raise DataError(f"{name} can't be read: {error.strerror or error}") from error


def webdataset(request: DatasetRequest) -> Source:
    """Return the source of ``webdataset:PATH``."""
    return TreeSource(TarTree(Path(request.argument).expanduser(), request), request)
