"""The contract of data sets: the request for one, and the source that yields its images."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from genkit.data.grammar import Grammar
from genkit.errors import DataError, MissingError, UsageError
from genkit.files.text import logger

if TYPE_CHECKING:
    from genkit.data.pieces import Rules

_LOG = logger(__name__)

Crop = Literal["center", "none"]
Decoding = Literal["genkit", "rgb"]
Pack = Literal["pixels", "encoded"]
Size = int | tuple[int, int]
SplitName = Literal["train", "test"]

SPLITS: Mapping[str, Literal["train", "val", "test"]] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What folders and files of splits are called, in lower case."""


MAX_PIXELS = 110_000_000
"""Pixels that one image may have: more than most cameras make, and few enough for 1.5 GB of memory with PyTorch's."""


def image_bytes(max_pixels: int) -> int:
    """Return the most bytes that one image may have, in its file and as numbers: three a pixel, and 16 MB at least."""
    return max(3 * max_pixels, 16 << 20)


_WITHOUT = {
    "array": "has no arrays to choose from",
    "values": "has its own range of values",
    "labels": "has its own labels",
}
"""Why an option has no effect on some data sets."""


@dataclass(frozen=True)
class DatasetRequest:
    """The arguments for opening a data set; ``argument`` is the text after the colon of its reference.

    ``data_root``: the folder of downloaded data. ``size``: images are resized to size x size, cropped to their centred
    square or, with ``crop="none"``, stretched. ``grey``: colour images are converted to grey by the luma of ITU-R 601.
    ``skip_bad``: leave out and count files that can't be used, instead of stopping at the first.
    ``size`` may also be (height, width); the crop is then of that shape. ``labels``: where labels are read from,
    "folders", "none", or the path of a file with one line per image; empty: as the layout says. ``glob``: only files
    whose name or path in the data set matches. ``values``: the (low, high) of the file's values that become 0 and 255.
    ``array``: the array of an npz that holds the images. ``max_pixels``: the most pixels that one image may have.
    ``exclude_generated``: leave out images whose metadata say that a model made them.
    ``decoding``: the rules of genkit.data.decode, or "rgb", Pillow's ``convert("RGB")`` alone, which most packages for
    FID use; images to measure may then have several sizes.
    ``pack``: "pixels" keeps what was decoded, "encoded" the files' bytes, which are decoded whenever they are read.
    """

    argument: str = ""
    data_root: Path | None = None
    size: Size | None = None
    crop: Crop = "center"
    skip_bad: bool = False
    grey: bool = False
    labels: str = ""
    glob: str = ""
    values: tuple[float, float] | None = None
    array: str = ""
    max_pixels: int = MAX_PIXELS
    exclude_generated: bool = False
    decoding: Decoding = "genkit"
    pack: Pack = "pixels"

    def __post_init__(self) -> None:
        for name in ("size", "values"):
            if isinstance(pair := getattr(self, name), list):  # as JSON has them
                object.__setattr__(self, name, tuple(pair))
        labels = str(self.labels or "")
        object.__setattr__(self, "labels", labels.lower() if labels.lower() in ("none", "folders") else labels)
        for side in self.shape or ():
            if not 1 <= side <= 8192:
                raise UsageError(f"size {side} is not between 1 and 8192 pixels")
        if self.values is not None and not self.values[0] < self.values[1]:
            raise UsageError(f"range {self.values[0]:g} to {self.values[1]:g} is empty: give the lower value first")
        if self.crop not in ("center", "none"):
            raise UsageError(f"crop {self.crop!r} is neither 'center' nor 'none'")
        if self.decoding not in ("genkit", "rgb"):
            raise UsageError(f"decoding {self.decoding!r} is neither 'genkit' nor 'rgb'")
        if self.pack not in ("pixels", "encoded"):
            raise UsageError(f"pack {self.pack!r} is neither 'pixels' nor 'encoded'")

    @property
    def shape(self) -> tuple[int, int] | None:
        """The size as (height, width)."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    def refuse_labels(self, name: str) -> None:
        """Raise UsageError if labels are wanted from elsewhere than from the data set ``name`` itself."""
        if self.labels not in ("", "none"):
            raise UsageError(
                f"labels of {name} are read from the file itself: give --labels none to leave them out, or no --labels"
            )

    def not_used(self, name: str, *options: str) -> None:
        """Say which of these options are given and have no effect on the data set ``name``."""
        for option in options:
            if getattr(self, option):
                _LOG.warning("%s %s: %r is not used", name, _WITHOUT[option], getattr(self, option))

    def changed(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, as plain JSON, for the key of a source.

        How the images are packed is none of them, as they are the same either way.
        """
        options = {each.name: getattr(self, each.name) for each in fields(self)}
        defaults = {each.name: each.default for each in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in options.items()
            if name not in ("argument", "data_root", "pack") and value != defaults[name]
        }

    def expect(self, name: str, channels: int, height: int, width: int) -> None:
        """Raise UsageError if ``size`` or ``grey`` does not match data of a fixed shape."""
        if self.grey and channels != 1:
            raise UsageError(f"images of {name} are not made grey: leave that out")
        if self.shape is not None and (height, width) != self.shape:
            raise UsageError(
                f"images of {name} are {height}x{width} and are not resized to {self.shape[0]}x{self.shape[1]}: "
                "they do not have the 256 levels of photographs, so leave the size out"
            )

    def refuse_glob(self, name: str) -> None:
        """Raise UsageError if files are to be chosen by their names in data that has none."""
        if self.glob:
            raise UsageError(
                f"{name} has no files to choose from by {self.glob!r}: "
                "write the pattern behind the path that is meant, as PATH?glob=PATTERN"
            )


@dataclass(frozen=True)
class Item:
    """One image: uint8 pixels [C, H, W], its label, and its split if the data set comes with splits.

    ``captions``: its texts, if any. ``name``: its file's name in the source, or empty. ``encoded``: the bytes that the
    ``rules`` of its SourceItems decode to these pixels, or empty. ``at``: the path, start and size of these bytes in a
    file of many images that stays where it is, or None.
    """

    pixels: NDArray[np.uint8]
    label: int | None = None
    split: SplitName | None = None
    captions: tuple[str, ...] = ()
    name: str = ""
    encoded: bytes = b""
    at: tuple[str, int, int] | None = None


@dataclass(frozen=True)
class SourceItems:
    """The images of a source, with their shape (C, H, W), number and classes.

    ``items`` yields each image once, decoded, in a fixed order, and None for a bad image that is left out; ``count``
    is their number; another is refused. Every item has a label in 0 .. len(classes)-1, or ``classes`` is empty and no
    item has one.
    ``skipped`` counts bad images that were left out before ``items``; ``left_out`` names them with the reason.
    ``notes``: sentences that say how an input was read that can be read in several ways. ``undecided``: why it can be
    measured as it was read but not trained on, with the choice to make; empty if it can.
    ``mixed``: items may be smaller than ``shape``, each of a size of its own. ``departures``: what of these images
    ``convert("RGB")`` alone would have read otherwise. ``generated`` counts the items whose metadata say that a model
    made them, and ``generated_by`` lists by what they say it. ``rules``: how the files of items were decoded, if they
    are of files.
    """

    shape: tuple[int, int, int]
    count: int
    items: Iterable[Item | None]
    levels: int = 256
    classes: tuple[str, ...] = ()
    skipped: int = 0
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    undecided: str = ""
    mixed: bool = False
    departures: tuple[str, ...] = ()
    generated: int = 0
    generated_by: str = ""
    rules: Rules | None = None


class Source(ABC):
    """A data set that can be read, one image at a time; ``name`` is used in messages, e.g. the path of a folder.

    ``grammar``: what its captions say exactly, or None if that is not known.
    """

    name: str
    grammar: Grammar | None = None

    @abstractmethod
    def key(self) -> Any:
        """Return plain JSON that changes when the data does; must be cheap and not read the data.

        A list in it that is too long to be held may be a ``genkit.data.listed.Listed``.
        """

    @abstractmethod
    def read(self) -> SourceItems:
        """Return the shape and images; raises DataError or MissingError."""

    def close(self) -> None:
        """Close open files; called after the images are read."""
        return None


def file_stamp(path: Path | str) -> list[int]:
    """Return size, times and inode, which change when a file's content does.

    The change time is included because unpacking tools reset the modification time.
    """
    try:
        stat = os.stat(path)
    except OSError as error:
        raise unreadable(path, error) from error
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def unreadable(path: Path | str, error: OSError) -> DataError | MissingError:
    """Return the error for a path that can't be opened."""
    if isinstance(error, FileNotFoundError):
        return MissingError(f"there is no {path}: check the path")
    return DataError(f"{path} can't be read: {error.strerror or error}")
