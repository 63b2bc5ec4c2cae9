"""Images in a tree of files: what folders and zips have in common.

Images lie flat or in class folders, with or without folders of splits: see genkit.data.arrange. A single folder around
everything is ignored, so a single class gives no labels. Ignored are hidden files and folders, ``__MACOSX``,
``Thumbs.db``, ``desktop.ini`` and notes (``.txt .md .json .jsonl .csv .tsv .xml .yaml .yml .html .log``). Every other
file must be an image.
"""

from __future__ import annotations

import array
import contextlib
import fnmatch
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from genkit.data.arrange import Chosen, Layout, layout
from genkit.data.npy import LITTLE, narrow
from genkit.data.pieces import Looking, Piece, Rules, Unpacking
from genkit.data.source import MAX_PIXELS, DatasetRequest, Item, Source, SourceItems, file_stamp, image_bytes
from genkit.data.survey import Survey
from genkit.data.workers import in_order, processors, workers_for
from genkit.errors import DataError

_NOTES = frozenset(["parquet", "txt", "md", "json", "jsonl", "csv", "tsv", "xml", "yaml", "yml", "html", "log"])
_SYSTEM_FILES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})

_AT_ONCE, _BYTES = 64, 4 << 20
"""Most images, and about the most bytes, that are given to a process at once."""

_PIXEL = 7
"""Bytes of memory that a pixel takes while most images are decoded."""


class Tree(ABC):
    """A tree of named files; ``location`` is its name in messages. A file is known by its place in ``names``."""

    location: str
    limit = image_bytes(MAX_PIXELS)
    """Most bytes of one file."""
    has_arrays = False
    """Whether there are columns to choose one from."""
    in_place = False
    """Whether images can be read one by one from where they are as fast as from a copy: each is a part of a file."""

    @abstractmethod
    def key(self) -> Any:
        """Return plain JSON that changes when a file does, without reading files; long lists in it are Listed."""

    @abstractmethod
    def names(self) -> Sequence[str]:
        """Return the files' names relative to the tree, with ``/``, in any order."""

    @abstractmethod
    def piece(self, place: int) -> Piece:
        """Return a file, to be opened here or in another process; raises DataError."""

    def open(self, place: int) -> BinaryIO:
        """Open a file for reading from its beginning; raises DataError."""
        return self.piece(place).open()

    def images(self) -> Sequence[int]:
        """Return the places of the files that must be images, in the order in which they are packed."""
        names = self.names()
        return folder_by_folder(names, array.array("I", (n for n, name in enumerate(names) if is_wanted(name))))

    def layout(self, places: Sequence[int]) -> Layout | None:
        """Return splits, labels and captions of these files, if the container itself says them.

        By default the folders say them: see ``arrange``.
        """
        return None

    def notes(self) -> list[str]:
        """Return sentences on how the container was read, after ``layout``."""
        return []

    def full_name(self, place: int) -> str:
        """Return a file's name in messages."""
        return f"{self.location}/{self.names()[place]}"

    def close(self) -> None:
        """Close open files."""
        return None


class TreeSource(Source):
    """The images of a tree: headers are read first, pixels while packing."""

    def __init__(self, tree: Tree, request: DatasetRequest) -> None:
        self.name = tree.location
        self.tree = tree
        tree.limit = image_bytes(request.max_pixels)
        self.request = request
        self.left_out: list[str] = []
        if not tree.has_arrays:
            request.not_used(self.name, "array")

    def key(self) -> Any:
        """Return the tree's key and the options that change what is read."""
        labels = self.request.labels
        stamp = file_stamp(Path(labels).expanduser()) if labels not in ("", "folders", "none") else []
        return [self.tree.key(), self.request.changed(), stamp]

    def close(self) -> None:
        """Close the tree."""
        self.tree.close()

    def read(self) -> SourceItems:
        """Read all headers; raises DataError for an empty tree, bad files, and mixed sizes without a size."""
        places = self._matching(self.tree.images())
        survey, kept = self._surveyed(places)
        if not survey.count:
            left_out = f" but {len(places)} bad files" if places else ""
            raise DataError(f"{self.name} holds no images{left_out}: give it PNG or JPEG files, for example")
        excluded = survey.excluded()
        height, width, mixed = survey.common_size()
        grey = self.request.grey or survey.grey
        found = self._layout(kept)
        notes = [*self.tree.notes(), *found.notes, *excluded, *survey.notes()]
        if mixed:
            notes.append("the images have several sizes, and features are made of each at its own")
        request = self.request
        rules = Rules(grey, request.shape, request.crop, request.values, request.max_pixels, request.decoding)
        shape = (1 if grey else 3, height, width)
        workers = workers_for(survey.heights.most * survey.widths.most * _PIXEL)
        deep = notes if survey.deep else None
        return SourceItems(
            shape=shape,
            count=found.count,
            items=self._items(found, kept, rules, shape, workers, deep, coloured="16-bit colour" in survey.values),
            classes=found.classes,
            skipped=len(places) - survey.count,
            left_out=self.left_out,
            notes=notes,
            undecided=found.undecided or mixed,
            mixed=bool(mixed),
            departures=survey.departures(grey, (height, width)),
            generated=survey.generated,
            generated_by=survey.generated_by,
            rules=rules,
        )

    def _matching(self, places: Sequence[int]) -> Sequence[int]:
        pattern, names = self.request.glob, self.tree.names()
        if not pattern:
            return places
        kept = array.array("I")
        for place in places:
            name = names[place]
            if fnmatch.fnmatchcase(name if "/" in pattern else name.rpartition("/")[2], pattern):
                kept.append(place)
        if not kept:
            example = f", such as {names[places[0]]}" if places else ""
            raise DataError(f"{self.name} has no file that matches {pattern!r} among {len(places):,}{example}")
        return kept

    def _surveyed(self, places: Sequence[int]) -> tuple[Survey, Sequence[int]]:
        """Return what the headers of files say, and the places of those that are used."""
        names, request = self.tree.names(), self.request
        survey, kept = Survey(self.name, request), array.array("I")
        work = Looking(request.max_pixels, request.decoding)
        results = in_order(work, self._batches(places, _AT_ONCE), processors())
        with contextlib.closing(results):
            for place, result in zip(places, results, strict=True):
                if isinstance(result, DataError):
                    self._leave_out(result)
                elif survey.add(names[place], *result):
                    kept.append(place)
        return survey, kept

    def _layout(self, places: Sequence[int]) -> Layout:
        own = self.tree.layout(places)
        if own is not None:
            return own
        names = self.tree.names()
        notes = array.array("I", (n for n, name in enumerate(names) if not is_wanted(name) and not is_hidden(name)))

        def content(place: int) -> bytes:
            with self.tree.open(notes[place]) as file:
                return file.read()

        return layout(Chosen(names, places), Chosen(names, notes), content, self.name, self.request)

    def _batches(self, places: Iterable[int], most: int, *, whole: bool = False) -> Iterator[list[Piece | DataError]]:
        """Yield the files at some places, at most so many at once; ``whole``: of files, too, all bytes are held."""
        batch: list[Piece | DataError] = []
        size = 0
        for place in places:
            try:
                piece = self.tree.piece(place)
                batch.append(piece)
                size += piece.size if whole else len(piece.data or b"")
            except DataError as error:
                batch.append(error)
            if len(batch) >= most or size > _BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _items(
        self,
        found: Layout,
        kept: Sequence[int],
        rules: Rules,
        shape: tuple[int, int, int],
        workers: int,
        notes: list[str] | None,
        *,
        coloured: bool,
    ) -> Iterator[Item | None]:
        """Yield the images; note at the end if those of 16 bits reach little of their range."""
        names, top = self.tree.names(), 0
        members, ahead = itertools.tee(found.members)
        encoded = self.request.pack == "encoded"
        work = Unpacking(rules, keep=encoded and not self.tree.in_place)
        most = max(1, min(_AT_ONCE, _BYTES // math.prod(shape)))
        batches = self._batches((kept[each.place] for each in ahead), most, whole=work.keep)
        results = in_order(work, batches, workers)
        with contextlib.closing(results):
            for member in members:  # no zip, which holds an image, which may be large, while the next is decoded
                result = next(results)
                if isinstance(result, DataError):
                    self._leave_out(result)
                    yield None
                else:
                    if notes is not None:
                        top = max(top, int(result.pixels.max()))
                    place = kept[member.place]
                    at = self._at(place) if encoded and self.tree.in_place else None
                    name = member.shown or names[place]
                    item = Item(result.pixels, member.label, member.split, member.captions, name, result.encoded, at)
                    del result
                    yield item
                    del item
        if notes is not None and 0 < top <= LITTLE >> 8:
            remedy = "save them with 8 bits" if coloured else narrow(int((top - 0.5) * 257))
            notes.append(f"16-bit values reach level {top} of 255: {remedy}")

    def _at(self, place: int) -> tuple[str, int, int] | None:
        piece = self.tree.piece(place)
        return None if piece.part is None else (piece.path, *piece.part)

    def _leave_out(self, error: DataError) -> None:
        """Keep the reason for which a bad file is skipped, if bad files are; else raise it."""
        if not self.request.skip_bad:
            raise error
        self.left_out.append(str(error).rpartition(": ")[0] or str(error))


def is_wanted(name: str) -> bool:
    """Return whether a file must be an image; hidden files, system files and notes are ignored."""
    _, dot, suffix = name.rpartition("/")[2].rpartition(".")
    return not is_hidden(name) and not (dot and suffix.lower() in _NOTES)


def is_hidden(name: str) -> bool:
    """Return whether a file is ignored whatever it holds."""
    return any(part.startswith(".") or part.lower() in _SYSTEM_FILES for part in name.split("/"))


def folder_by_folder(names: Sequence[str], places: Sequence[int]) -> Sequence[int]:
    """Return places in the order of their names, by the parts of these, and of one name in their own."""
    if all(one < two for one, two in itertools.pairwise(_parts(names[place]) for place in places)):
        return places
    # One text for each, as a list of pairs takes twice the memory.
    texts = [f"{_parts(names[place])}\0\0{place:010d}" for place in places]
    texts.sort()
    return array.array("I", (int(text[-10:]) for text in texts))


def _parts(name: str) -> str:
    """Return a text whose order among others is that of the parts of names: no name has a zero byte."""
    return name.replace("/", "\0")
