"""WebDataset: tar shards in which files of one base name are a sample, such as ``0007.jpg 0007.cls 0007.txt``.

The key is a file's path up to the first dot of its name. ``.cls`` is the label, ``.txt`` a caption, and ``.json`` has
either under ``label``, ``caption`` or ``text``. A single tar without any of these is read as a zip is: by its
``dataset.json`` or ``metadata.csv``, or by its folders. Within a shard images are in the order of their names. Nothing
is unpacked to disk.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from genkit.data.annotations import CAPTIONS, LABELS, METADATA, STYLEGAN, caption_lines, caption_texts
from genkit.data.arrange import Member, layout
from genkit.data.shards import Sample, SampleTree, Shard, find_shards, shards_key
from genkit.data.source import DatasetRequest, Source, unreadable
from genkit.data.tree import TreeSource, is_wanted
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

    def __init__(self, path: Path, request: DatasetRequest) -> None:
        super().__init__(str(path), request)
        self.path = path
        self._places: dict[str, tuple[Path, int, int]] = {}
        self._inner: dict[str, str] = {}
        self._others: dict[str, tuple[Path, tarfile.TarInfo]] = {}

    def key(self) -> Any:
        """Return each shard's path, size, times and inode."""
        return shards_key(self.path, ".tar")

    def read_samples(self) -> dict[str, Sample]:
        """List all shards; raises DataError for a tar that is damaged and for labels that can't be read."""
        shards, notes = find_shards(self.path, ".tar")
        self.said += notes
        found: dict[str, Sample] = {}
        for shard in shards:
            prefix = f"{shard.path.name}/" if len(shards) > 1 else ""
            found |= self._shard(shard, prefix)
        return found

    def members(self, names: list[str]) -> tuple[list[Member], tuple[str, ...]] | None:
        """Return what the samples say, or what the folders in the shards say where they say nothing."""
        if any(sample != Sample(shown=sample.shown) for sample in self.samples().values()):
            self._refuse_several(names)
            return super().members(names)
        inner = [self._inner[name] for name in names]
        if len(set(inner)) < len(inner) or self.request.labels == "none":
            return super().members(names)
        found = layout(inner, list(self._others), self._text, self.location, self.request)
        if found.undecided:
            raise DataError(found.undecided)
        self.said += found.notes
        own = dict(zip(inner, names, strict=True))
        return [Member(own[each.name], each.split, each.label, (), each.name) for each in found.members], found.classes

    def _refuse_several(self, names: list[str]) -> None:
        """Raise DataError if a sample has several images, such as an input and its mask."""
        seen: dict[str, str] = {}
        for name in names:
            base = _base(self._inner[name])
            first = seen.setdefault(f"{self._places[name][0]}/{base}", name)
            if first != name:
                raise DataError(
                    f"{self.location} has several images of one sample, such as {first} and {name}: "
                    f"choose with --glob '*{self._inner[first].removeprefix(base)}'"
                )

    def open(self, name: str) -> BinaryIO:
        """Return an image's bytes; raises DataError."""
        path, start, size = self._places[name]
        return io.BytesIO(_read(path, start, size, self.full_name(name)))

    def full_name(self, name: str) -> str:
        """Return an image's name, with its shard's in front."""
        return f"{self._places[name][0]}/{self._inner[name]}" if name in self._places else f"{self.location}/{name}"

    def _text(self, name: str) -> bytes:
        path, info = self._others[name]
        return _read(path, info.offset_data, info.size, f"{path}/{name}")

    def _shard(self, shard: Shard, prefix: str) -> dict[str, Sample]:
        images: list[tuple[str, tarfile.TarInfo]] = []
        texts: dict[tuple[str, str], tarfile.TarInfo] = {}
        listing = _listing(shard.path, self.limit)
        if links := [info.name for info in listing if info.issym() or info.islnk()]:
            self.said.append(f"{shard.path.name} has {len(links):,} links, such as {links[0]}, which are not read")
        for info in listing:
            name = info.name.replace("\\", "/").removeprefix("./")
            if ".." in name.split("/"):
                raise DataError(f"{shard.path} is refused: its member {info.name!r} climbs out of the folder")
            if not info.isreg():
                continue
            if any(part.startswith(".") for part in name.split("/")):
                continue
            kind = name.rpartition(".")[2].lower()
            if PurePosixPath(name).suffix.lower() in IMAGES and is_wanted(name):
                images.append((name, info))
            elif name.rpartition("/")[2] in (*METADATA, STYLEGAN):
                self._others[name] = shard.path, info
            elif kind in NOTES:
                texts[_base(name), kind] = info
        found: dict[str, Sample] = {}
        for name, info in sorted(images, key=lambda each: each[0].split("/")):
            if prefix + name in found:
                raise DataError(f"{shard.path} holds {name} twice: make it anew")
            self._places[prefix + name] = (shard.path, info.offset_data, info.size)
            self._inner[prefix + name] = name
            notes = {
                kind: _read(shard.path, text.offset_data, min(text.size, _TEXT_LIMIT), f"{shard.path}/{text.name}")
                for kind in NOTES
                if (text := texts.get((_base(name), kind))) is not None
            }
            label, captions = _said(notes, f"{shard.path}/{_base(name)}", self.request.labels != "none")
            found[prefix + name] = Sample(shard.split, label, captions, name)
        return found


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


def _listing(path: Path, limit: int) -> list[tarfile.TarInfo]:
    try:
        with open_file(path, _HEADER_LIMIT) as raw, tarfile.open(fileobj=raw, mode="r:") as file:
            members = list(file)
            end = path.stat().st_size
    except FileNotFoundError as error:
        raise unreadable(path, error) from error
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        start = _read(path, 0, 6, str(path)) if path.is_file() else b""
        for magic, tool in _COMPRESSED.items():
            if start.startswith(magic):
                raise DataError(f"{path} is a compressed tar: unpack it with {tool} first") from error
        raise DataError(f"{path} is not a readable tar file ({reason(error)}): it may be truncated") from error
    for info in members:
        if info.sparse is not None or info.size > limit or info.offset_data + info.size > end:
            raise DataError(f"{path} is damaged at {info.name}, which claims {info.size:,} bytes: make it anew")
    return members


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
