"""What a loader is asked for, and what it hands to the packer."""

from __future__ import annotations

import lzma
import os
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError, MissingError, UsageError

Crop = Literal["center", "none"]
SplitName = Literal["train", "test"]

BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)
"""What a zip that is damaged, cut short, encrypted or packed in an unknown way raises: bz2 errors are OSErrors."""


@dataclass(frozen=True)
class DatasetRequest:
    """What the user asked for: the text after the colon, where data lies, and how images are made one size.

    ``size``: images become size x size, by a crop of their centred square or, with ``crop="none"``, stretched.
    ``grey``: colour images become grey, by ITU-R 601's luma.
    ``skip_bad``: leave out and count files that can't be used, instead of stopping at the first.
    """

    argument: str = ""
    data_root: Path | None = None
    size: int | None = None
    crop: Crop = "center"
    skip_bad: bool = False
    grey: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= 8192:
            raise UsageError(f"size {self.size} is not between 1 and 8192 pixels")
        if self.crop not in ("center", "none"):
            raise UsageError(f"crop {self.crop!r} is neither 'center' nor 'none'")

    def expect(self, name: str, channels: int, height: int, width: int) -> None:
        """Refuse a size or grey for data that comes in a size and colours of its own; raises UsageError."""
        if self.grey and channels != 1:
            raise UsageError(f"images of {name} are not made grey: only those of folders and zips are")
        if self.size is not None and (height, width) != (self.size, self.size):
            raise UsageError(
                f"images of {name} are {height}x{width} and are not resized to {self.size}x{self.size}: "
                "only those of folders and zips are, so leave the size out"
            )


@dataclass(frozen=True)
class Item:
    """One image: uint8 levels [C, H, W], its label, and its split where the data set has splits of its own."""

    pixels: NDArray[np.uint8]
    label: int | None = None
    split: SplitName | None = None


@dataclass(frozen=True)
class SourceItems:
    """What a source holds once it has been looked at.

    ``items`` yields each image once, decoded, in a fixed order, and None for a bad one that is left out; ``count``
    is their number. Every item has a label in 0 .. len(classes)-1, or ``classes`` is empty and none has.
    ``skipped`` counts the bad ones that were left out before ``items``.
    """

    shape: tuple[int, int, int]
    count: int
    items: Iterable[Item | None]
    levels: int = 256
    classes: tuple[str, ...] = ()
    skipped: int = 0


class Source(ABC):
    """A data set that can be read, one image at a time.

    ``name`` is what messages call it, such as the path of a folder.
    """

    name: str

    @abstractmethod
    def key(self) -> Any:
        """Return what tells, without reading it, whether the data is still the same: plain JSON, cheap to make."""

    @abstractmethod
    def read(self) -> SourceItems:
        """Look at the data and return its shape and images; raises DataError or MissingError."""

    def close(self) -> None:
        """Let go of open files; called once the images are read."""
        return None


def file_stamp(path: Path) -> list[int]:
    """Return size, times and inode: what changes when a file's content does.

    The time of change is there because unpacking tools set the time of modification back.
    """
    try:
        stat = os.stat(path)
    except OSError as error:
        raise unreadable(path, error) from error
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def unreadable(path: Path | str, error: OSError) -> DataError | MissingError:
    """Return the sentence for a path that the system does not give."""
    if isinstance(error, FileNotFoundError):
        return MissingError(f"there is no {path}: check the path")
    return DataError(f"{path} can't be read: {error.strerror or error}")
