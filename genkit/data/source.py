"""The contract of data sets: the request for one, and the source that yields its images."""

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
"""What a damaged, truncated, encrypted or unsupported zip raises; bz2 errors are OSErrors."""


@dataclass(frozen=True)
class DatasetRequest:
    """The arguments for opening a data set; ``argument`` is the text after the colon of its reference.

    ``data_root``: the folder of downloaded data. ``size``: images are resized to size x size, cropped to their centred
    square or, with ``crop="none"``, stretched. ``grey``: colour images are converted to grey by the luma of ITU-R 601.
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
        """Raise UsageError if ``size`` or ``grey`` does not match data of a fixed shape."""
        if self.grey and channels != 1:
            raise UsageError(f"images of {name} are not made grey: only those of folders and zips are")
        if self.size is not None and (height, width) != (self.size, self.size):
            raise UsageError(
                f"images of {name} are {height}x{width} and are not resized to {self.size}x{self.size}: "
                "only those of folders and zips are, so leave the size out"
            )


@dataclass(frozen=True)
class Item:
    """One image: uint8 pixels [C, H, W], its label, and its split if the data set comes with splits."""

    pixels: NDArray[np.uint8]
    label: int | None = None
    split: SplitName | None = None


@dataclass(frozen=True)
class SourceItems:
    """The images of a source, with their shape (C, H, W), number and classes.

    ``items`` yields each image once, decoded, in a fixed order, and None for a bad image that is left out; ``count``
    is their number. Every item has a label in 0 .. len(classes)-1, or ``classes`` is empty and no item has one.
    ``skipped`` counts bad images that were left out before ``items``.
    """

    shape: tuple[int, int, int]
    count: int
    items: Iterable[Item | None]
    levels: int = 256
    classes: tuple[str, ...] = ()
    skipped: int = 0


class Source(ABC):
    """A data set that can be read, one image at a time; ``name`` is used in messages, e.g. the path of a folder."""

    name: str

    @abstractmethod
    def key(self) -> Any:
        """Return plain JSON that changes when the data does; must be cheap and not read the data."""

    @abstractmethod
    def read(self) -> SourceItems:
        """Return the shape and images; raises DataError or MissingError."""

    def close(self) -> None:
        """Close open files; called after the images are read."""
        return None


def file_stamp(path: Path) -> list[int]:
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
