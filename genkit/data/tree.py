"""Images in a tree of files: what folders and zips have in common.

Images lie flat or in class folders, with or without folders of splits: see genkit.data.arrange. A single folder around
everything is ignored, so a single class gives no labels. Ignored are hidden files and folders, ``__MACOSX``,
``Thumbs.db``, ``desktop.ini`` and notes (``.txt .md .json .jsonl .csv .tsv .xml .yaml .yml .html .log``). Every other
file must be an image.
"""

from __future__ import annotations

import contextlib
import fnmatch
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from genkit.data.arrange import Layout, Member, layout
from genkit.data.decode import Header, decode, read_header
from genkit.data.npy import LITTLE, narrow
from genkit.data.source import MAX_PIXELS, DatasetRequest, Item, Source, SourceItems, file_stamp, image_bytes
from genkit.errors import DataError
from genkit.files.picture_metadata import read_metadata

_NOTES = frozenset(
    [".parquet", ".txt", ".md", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".html", ".log"]
)
_SYSTEM_FILES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


class Tree(ABC):
    """A tree of named files; ``location`` is its name in messages."""

    location: str
    limit = image_bytes(MAX_PIXELS)
    """Most bytes of one file."""
    has_arrays = False
    """Whether there are columns to choose one from."""

    @abstractmethod
    def key(self) -> Any:
        """Return plain JSON that changes when a file does, without reading files."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the files' names relative to the tree, with ``/``, in any order."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Open a file for reading from its beginning; raises DataError."""

    def images(self) -> list[str]:
        """Return the names of the files that must be images, in the order in which they are packed."""
        return sorted(filter(is_wanted, self.names()), key=lambda name: name.split("/"))

    def members(self, names: list[str]) -> tuple[list[Member], tuple[str, ...]] | None:
        """Return splits, labels and captions of these files, and the classes, if the container itself says them.

        By default the folders say them: see ``arrange``.
        """
        return None

    def notes(self) -> list[str]:
        """Return sentences on how the container was read, after ``members``."""
        return []

    def full_name(self, name: str) -> str:
        """Return a file's name in messages."""
        return f"{self.location}/{name}"

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
        self.generated: dict[str, str] = {}
        """What says that an image is generated, by the image's name."""
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
        names = self._matching(self.tree.images())
        headers: dict[str, Header] = {}
        for name in names:
            with self._skipping():
                headers[name] = self._header(name)
        if not headers:
            left_out = f" but {len(names)} bad files" if names else ""
            raise DataError(f"{self.name} holds no images{left_out}: give it PNG or JPEG files, for example")
        bad = len(names) - len(headers)
        excluded = self._excluded(headers)
        height, width, mixed = self._common_size(headers)
        grey = self.request.grey or all(header.grey for header in headers.values())
        found = self._layout(list(headers))
        notes = [*self.tree.notes(), *found.notes, *excluded]
        own = self.request.decoding == "genkit"
        if animated := [name for name, header in headers.items() if header.frames]:
            notes.append(f"of {len(animated):,} files with several frames the first is read, such as {animated[0]}")
        kinds = {header.values for header in headers.values()} if self.request.values is None else set()
        if not own and "16-bit" in kinds:
            notes.append('16-bit values above 255 are read as 255, as by convert("RGB") in other packages')
        if not own and "float" in kinds:
            notes.append('floats are cut to whole levels, [0, 1] to black, as by convert("RGB") in other packages')
        deep = own and bool(kinds) and kinds <= {"16-bit", "16-bit colour"}
        if mixed:
            notes.append("the images have several sizes, and features are made of each at its own")
        return SourceItems(
            shape=(1 if grey else 3, height, width),
            count=len(found.members),
            items=self._items(found.members, grey, notes if deep else [], coloured="16-bit colour" in kinds),
            classes=found.classes,
            skipped=bad,
            left_out=self.left_out,
            notes=notes,
            undecided=found.undecided or mixed,
            mixed=bool(mixed),
            departures=self._departures(headers, grey, (height, width)),
            generated=len(self.generated),
            generated_by=_listed(self.generated),
        )

    def _excluded(self, headers: dict[str, Header]) -> list[str]:
        """Take generated images out of ``headers`` if that is asked for, and return a note on them."""
        if not self.request.exclude_generated or not self.generated:
            return []
        count, by = len(headers), _listed(self.generated)
        for name in self.generated:
            headers.pop(name)
        if not headers:
            raise DataError(f"all {count:,} images of {self.name} are generated ({by}): use them by --allow-generated")
        number = len(self.generated)
        self.generated = {}
        return [f"{number:,} of {count:,} images are left out, as their metadata say that they are generated ({by})"]

    def _departures(self, headers: dict[str, Header], grey: bool, size: tuple[int, int]) -> tuple[str, ...]:
        """Return what of these images ``convert("RGB")`` alone would have read otherwise."""
        request, every = self.request, headers.values()
        own = request.decoding == "genkit"
        special = dict.fromkeys(each for header in every for each in header.special if own)
        departures = {
            f"{' and '.join(special)} read by genkit's rules": bool(special),
            f"resized to {size[0]}x{size[1]}": any((each.height, each.width) != size for each in every)
            and request.shape is not None,
            "made grey": grey and not all(each.grey for each in every),
            "a range of values": request.values is not None,
        }
        return tuple(what for what, applies in departures.items() if applies)

    def _matching(self, names: list[str]) -> list[str]:
        pattern = self.request.glob
        if not pattern:
            return names
        kept = [name for name in names if fnmatch.fnmatchcase(name if "/" in pattern else name.split("/")[-1], pattern)]
        if not kept:
            example = f", such as {names[0]}" if names else ""
            raise DataError(f"{self.name} has no file that matches {pattern!r} among {len(names):,}{example}")
        return kept

    def _layout(self, names: list[str]) -> Layout:
        own = self.tree.members(names)
        if own is not None:
            return Layout(*own)
        images = set(names)
        others = [name for name in self.tree.names() if name not in images and not is_hidden(name)]
        return layout(names, others, self._content, self.name, self.request)

    def _content(self, name: str) -> bytes:
        with self.tree.open(name) as file:
            return file.read()

    def _header(self, name: str) -> Header:
        with self.tree.open(name) as file:
            found = read_header(
                file, self.tree.full_name(name), self.request.max_pixels, decoding=self.request.decoding
            )
            if says := read_metadata(file).generated_by:
                self.generated[name] = says
            return found

    def _common_size(self, headers: dict[str, Header]) -> tuple[int, int, str]:
        """Return the common or largest height and width, and why images of several sizes can't be trained on."""
        if self.request.shape is not None:
            return *self.request.shape, ""
        (first, header), *others = headers.items()
        sides = [min(each.height, each.width) for each in headers.values()]
        for name, other in others:
            if (other.height, other.width) != (header.height, header.width):
                several = (
                    f"{self.name} has images of different sizes: {first} is {header.height}x{header.width}, "
                    f"{name} is {other.height}x{other.width} (height x width); give one size, e.g. --size {min(sides)}"
                )
                if self.request.decoding == "genkit":
                    raise DataError(several)
                heights, widths = ([getattr(each, side) for each in headers.values()] for side in ("height", "width"))
                return max(heights), max(widths), several
        return header.height, header.width, ""

    def _items(self, members: list[Member], grey: bool, notes: list[str], *, coloured: bool) -> Iterator[Item | None]:
        """Yield the images; note at the end if those of 16 bits reach little of their range."""
        top = 0
        for member in members:
            item: Item | None = None
            with self._skipping():
                item = self._item(member, grey)
                top = max(top, int(item.pixels.max()))
            yield item
        if 0 < top <= LITTLE >> 8:
            remedy = "save them with 8 bits" if coloured else narrow(int((top - 0.5) * 257))
            notes.append(f"16-bit values reach level {top} of 255: {remedy}")

    def _item(self, member: Member, grey: bool) -> Item:
        with self.tree.open(member.name) as file:
            pixels = decode(
                file,
                self.tree.full_name(member.name),
                grey=grey,
                size=self.request.shape,
                crop=self.request.crop,
                values=self.request.values,
                max_pixels=self.request.max_pixels,
                decoding=self.request.decoding,
            )
        return Item(pixels, member.label, member.split, member.captions, member.shown or member.name)

    @contextlib.contextmanager
    def _skipping(self) -> Iterator[None]:
        """Suppress the DataError of a bad file if bad files are skipped, and keep it with the reason."""
        try:
            yield
        except DataError as error:
            if not self.request.skip_bad:
                raise
            self.left_out.append(str(error).rpartition(": ")[0] or str(error))


def _listed(generated: Mapping[str, str]) -> str:
    """Return what says that images are generated, such as ``3 by genkit, 1 by XMP, such as a.png``."""
    counts = [f"{count:,} by {says}" for says, count in Counter(generated.values()).most_common()]
    return ", ".join([*counts, f"such as {next(iter(generated))}"]) if generated else ""


def is_wanted(name: str) -> bool:
    """Return whether a file must be an image; hidden files, system files and notes are ignored."""
    return not is_hidden(name) and PurePosixPath(name).suffix.lower() not in _NOTES


def is_hidden(name: str) -> bool:
    """Return whether a file is ignored whatever it holds."""
    return any(part.startswith(".") or part.lower() in _SYSTEM_FILES for part in name.split("/"))
