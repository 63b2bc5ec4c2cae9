"""NumPy archives: ``images`` and optionally ``labels``, ``test_images``, ``test_labels`` and ``classes``.

In a file with only unnamed arrays, ``arr_0`` holds the images and ``arr_1``, if present, their labels.

Images are uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] with C 1 or 3, or floats in [0, 1], rounded half to even to
0 .. 255. Labels are integers 0 .. number of classes - 1. Nothing is unpickled, and images are
streamed, never all in memory.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from genkit.data.source import BROKEN_ZIP, DatasetRequest, Item, Source, SourceItems, SplitName, file_stamp, unreadable
from genkit.errors import DataError, GenkitError, suggestion

KNOWN = ("images", "labels", "test_images", "test_labels", "classes")
LABELS = {"images": "labels", "test_images": "test_labels", "arr_0": "arr_1"}
"""The arrays of images and the arrays of their labels."""

MOST_CLASSES = 65_536

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]
"""An array's shape, whether it is in Fortran order, and its type."""


class NpzSource(Source):
    """The arrays of one .npz file."""

    def __init__(self, path: Path, request: DatasetRequest) -> None:
        self.path = path
        self.name = str(path)
        self.request = request
        self._zip: zipfile.ZipFile | None = None

    def key(self) -> Any:
        """Return the file's path, size, times and inode."""
        return [str(self.path.resolve()), *file_stamp(self.path)]

    def close(self) -> None:
        """Close the file."""
        if self._zip is not None:
            self._zip.close()
            self._zip = None

    def read(self) -> SourceItems:
        """Read headers and labels; raises DataError for arrays of a wrong name, type, shape or length."""
        images = self._open()
        parts: list[tuple[str, SplitName | None]] = [(images, None)]
        if self._has("test_images"):
            parts = [("images", "train"), ("test_images", "test")]
        elif self._has("test_labels"):
            raise DataError(f"{self.path} has test_labels but no test_images: add them or leave both out")
        shapes = {name: self._image_shape(name) for name, _ in parts}
        if len({shape[1:] for shape in shapes.values()}) > 1:
            raise DataError(f"{self.path} has images and test_images of different shapes: make them one")
        labels = {name: self._labels(name, shape[0]) for name, shape in shapes.items()}
        if len({found is None for found in labels.values()}) > 1:
            raise DataError(f"{self.path} has labels for one split only: add the other's or leave both out")
        shape = shapes[images][1:]
        self.request.expect(self.name, *shape)
        return SourceItems(
            shape=shape,
            count=sum(found[0] for found in shapes.values()),
            items=self._items(parts, labels),
            classes=self._classes(labels),
        )

    def _open(self) -> str:
        """Open the file and return the name of its array of images."""
        try:
            self._zip = zipfile.ZipFile(self.path)
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise unreadable(self.path, error) from error
        except BROKEN_ZIP as error:
            raise DataError(f"{self.path} is not a readable .npz file ({error}): save it with numpy.savez") from error
        names = [name.removesuffix(".npy") for name in self._zip.namelist()]
        for name in names:
            if name not in KNOWN and (hint := suggestion(name, KNOWN)):
                raise DataError(f"{self.path} has an array {name!r}, which is not known.{hint}")
        images = "arr_0" if "arr_0" in names and not set(names) & set(KNOWN) else "images"
        if images not in names:
            raise DataError(f"{self.path} has no array 'images'; it has {', '.join(sorted(names)) or 'none'}")
        return images

    def _has(self, name: str) -> bool:
        assert self._zip is not None
        return f"{name}.npy" in self._zip.namelist()

    def _header(self, name: str) -> Header:
        """Return an array's header."""
        assert self._zip is not None
        try:
            with self._zip.open(f"{name}.npy") as file:
                return _read_header(file)
        except BROKEN_ZIP as error:
            raise self._damaged(name, error) from error

    def _array(self, name: str) -> NDArray[Any]:
        """Read a small array; memory is allocated for the data present, not for what the header claims."""
        assert self._zip is not None
        try:
            with self._zip.open(f"{name}.npy") as file:
                shape, fortran, dtype = _read_header(file)
                data = file.read()
            return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran else "C")
        except BROKEN_ZIP as error:
            raise self._damaged(name, error) from error

    def _damaged(self, name: str, error: Exception) -> DataError:
        detail = " ".join(str(error).split()) or type(error).__name__
        return DataError(f"{self.path}: {name} can't be read ({detail}): save it again with numpy.savez")

    def _image_shape(self, name: str) -> tuple[int, int, int, int]:
        """Return (N, C, H, W) of an array of images from its header."""
        shape, _, dtype = self._header(name)
        if dtype != np.uint8 and dtype.kind != "f":
            raise DataError(
                f"{self.path}: {name} must be uint8 or float in [0, 1], not {dtype}: save levels 0 .. 255 as "
                f"{name}.astype('uint8')"
            )
        if 0 in shape:
            raise DataError(f"{self.path}: {name} is empty, of shape {shape}: save some images")
        try:
            return shape[0], *_channels_first(shape)
        except ValueError as error:
            raise DataError(f"{self.path}: {name} has shape {shape}, {error}") from error

    def _labels(self, images: str, count: int) -> NDArray[np.int64] | None:
        name = LABELS[images]
        if not self._has(name):
            return None
        shape, _, dtype = self._header(name)
        if dtype.kind not in "iu" or len(shape) != 1:
            raise DataError(f"{self.path}: {name} must be one row of integers, not {dtype} {shape}")
        if shape[0] != count:
            raise DataError(f"{self.path}: {name} has {shape[0]:,} entries for {count:,} images: make them equal")
        return self._array(name).astype(np.int64)

    def _classes(self, labels: dict[str, NDArray[np.int64] | None]) -> tuple[str, ...]:
        used = [found for found in labels.values() if found is not None and len(found)]
        if self._has("classes"):
            names = self._array("classes")
            if names.dtype.kind != "U" or names.ndim != 1 or len(set(names.tolist())) != len(names):
                raise DataError(f"{self.path}: classes must be one row of different strings, not {names.dtype}")
            if not used:
                raise DataError(f"{self.path} has classes but no labels: add labels or leave classes out")
            classes = tuple(map(str, names.tolist()))
        else:
            top = max((int(found.max()) for found in used), default=-1)
            classes = tuple(map(str, range(min(top + 1, MOST_CLASSES))))
        for found in used:
            bad = np.flatnonzero((found < 0) | (found >= len(classes)))
            if len(bad):
                value = int(found[bad[0]])
                raise DataError(f"{self.path}: label {value} of image {bad[0]} is not in 0 .. {len(classes) - 1}")
        return classes

    def _items(
        self, parts: list[tuple[str, SplitName | None]], labels: dict[str, NDArray[np.int64] | None]
    ) -> Iterator[Item]:
        for name, split in parts:
            known = labels[name]
            for index, pixels in enumerate(self._rows(name)):
                yield Item(pixels, None if known is None else int(known[index]), split)

    def _rows(self, name: str) -> Iterator[NDArray[np.uint8]]:
        """Yield the images of one array as uint8 [C, H, W]."""
        assert self._zip is not None
        try:
            with self._zip.open(f"{name}.npy") as file:
                shape, fortran, dtype = _read_header(file)
                channels = _channels_first(shape)
                for index, row in enumerate(_stream(file, shape, dtype, fortran)):
                    levels = self._levels(row, name, index)
                    last = len(shape) == 4 and shape[1:] != channels
                    yield np.ascontiguousarray(levels.transpose(2, 0, 1) if last else levels.reshape(channels))
        except GenkitError:
            raise
        except BROKEN_ZIP as error:
            raise self._damaged(name, error) from error

    def _levels(self, row: NDArray[Any], name: str, index: int) -> NDArray[np.uint8]:
        if row.dtype == np.uint8:
            return row
        if not np.isfinite(row).all():
            raise DataError(f"{self.path}: {name}[{index}] holds NaN or infinity: leave such images out")
        if row.min() < 0 or row.max() > 1:
            raise DataError(
                f"{self.path}: {name}[{index}] has values from {row.min():g} to {row.max():g}, outside [0, 1]: "
                "scale them or save uint8"
            )
        return np.rint(row.astype(np.float64) * 255).astype(np.uint8)


def _read_header(file: IO[bytes]) -> Header:
    """Return an array's header; raises ValueError for one that can't be read."""
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(file)
    except MemoryError:
        raise
    except Exception as error:  # NumPy evaluates the text of a header: a damaged one raises anything at all
        raise ValueError(f"its header is damaged: {error}") from error
    raise ValueError(f"its .npy version {version} is not one of plain arrays")


def _channels_first(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (C, H, W) of an array of images; raises ValueError, with the reason, if that can't be told."""
    if len(shape) not in (3, 4):
        raise ValueError("which is none of [N, H, W], [N, H, W, C], [N, C, H, W]")
    if len(shape) == 3:
        return 1, shape[1], shape[2]
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        raise ValueError(
            "where either the second or the last axis could be channels"
            if first
            else "where no axis is 1 or 3 channels"
        )
    return (shape[1], shape[2], shape[3]) if first else (shape[3], shape[1], shape[2])


def _stream(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], fortran: bool) -> Iterator[NDArray[Any]]:
    """Yield an array's rows as they are read; an array in Fortran order is read whole, as its rows are scattered."""
    if fortran:
        data = file.read()
        yield from np.frombuffer(data, dtype=dtype).reshape(shape, order="F")
        return
    size = int(np.prod(shape[1:])) * dtype.itemsize
    for _ in range(shape[0]):
        data = file.read(size)
        if len(data) != size:
            raise EOFError("it is truncated")
        yield np.frombuffer(data, dtype=dtype).reshape(shape[1:])


def npz(request: DatasetRequest) -> Source:
    """Return the source of ``npz:PATH``."""
    return NpzSource(Path(request.argument).expanduser(), request)
