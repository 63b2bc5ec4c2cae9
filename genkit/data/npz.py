"""NumPy archives: arrays of images with labels, in one part or in splits; and bare ``.npy`` files of images.

An ``.npz`` holds ``images``, ``x``, ``data`` or ``arr_0``, with ``labels``, ``y``, ``targets`` or ``arr_1``; splits are
``images`` and ``test_images``, ``train_images``, ``val_images`` and ``test_images``, or ``x_train`` and ``x_test``,
each with its labels. ``array`` of the request chooses another. ``classes`` names the classes.

Images are [N, H, W], [N, H, W, C] or [N, C, H, W] with C 1 or 3, of type uint8, uint16, bool, or floats in [0, 1];
``values`` gives another range. Labels are [N], [N, 1] or one-hot. Nothing is unpickled, and images are streamed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from genkit.data.labelling import empty_classes, number_classes, single_labels
from genkit.data.npy import (
    LITTLE,
    Header,
    byte_count,
    channels_first,
    narrow,
    read_array,
    read_header,
    reading_note,
    stream_rows,
    to_levels,
    usable,
)
from genkit.data.npz_names import LABELS, choose_arrays
from genkit.data.source import (
    DatasetRequest,
    Item,
    Source,
    SourceItems,
    SplitName,
    file_stamp,
    image_bytes,
    unreadable,
)
from genkit.errors import DataError, GenkitError, UsageError
from genkit.files.reading import BROKEN_ZIP, Zip, open_file, reason

LABEL_BYTES = 128 << 20
"""Most bytes of labels, as they are stored and as int64: those of 16 million images."""


class NpzSource(Source):
    """The arrays of one .npz file."""

    save = "numpy.savez"
    _zip: Zip | None = None

    def __init__(self, path: Path, request: DatasetRequest) -> None:
        self.path = path
        self.name = str(path)
        self.request = request
        self.notes: list[str] = []
        request.refuse_labels(self.name)
        request.refuse_glob(self.name)

    def key(self) -> Any:
        """Return the file's path, size, times and inode, and the options that change what is read."""
        return [str(self.path.resolve()), *file_stamp(self.path), self.request.changed()]

    def close(self) -> None:
        """Close the file."""
        if self._zip is not None:
            self._zip.close()
            self._zip = None

    def read(self) -> SourceItems:
        """Read headers and labels; raises DataError for arrays of a wrong name, type, shape or length."""
        parts, notes = choose_arrays(self._open(), self.request, self.name)
        self.notes += notes
        shapes = {name: self._image_shape(name) for name, _ in parts}
        if len({shape[1:] for shape in shapes.values()}) > 1:
            raise DataError(f"{self.path} has {' and '.join(shapes)} of different shapes: make them one")
        found = {name: self._labels(name, shape[0]) for name, shape in shapes.items()}
        if len({each is None for each in found.values()}) > 1:
            raise DataError(f"{self.path} has labels for one split only: add the other's or leave both out")
        labels, classes = self._classes({name: each for name, each in found.items() if each is not None})
        shape = shapes[parts[0][0]][1:]
        return SourceItems(
            shape=shape,
            count=sum(each[0] for each in shapes.values()),
            items=self._items(parts, labels),
            classes=classes,
            notes=self.notes,
        )

    def _open(self) -> list[str]:
        """Open the file and return the names of its arrays."""
        try:
            self._zip = Zip(self.path)
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise unreadable(self.path, error) from error
        except BROKEN_ZIP as error:
            raise DataError(
                f"{self.path} is not a readable .npz file ({reason(error)}): save it with numpy.savez"
            ) from error
        return [name.removesuffix(".npy") for name in self._zip.namelist()]

    def _member(self, name: str) -> IO[bytes]:
        assert self._zip is not None
        return self._zip.stream(f"{name}.npy")

    def _header(self, name: str) -> Header:
        """Return an array's header."""
        try:
            with self._member(name) as file:
                return read_header(file)
        except BROKEN_ZIP as error:
            raise self._damaged(name, error) from error

    def _array(self, name: str) -> NDArray[Any]:
        """Read labels or the names of classes."""
        try:
            with self._member(name) as file:
                return read_array(file, LABEL_BYTES)
        except BROKEN_ZIP as error:
            raise self._damaged(name, error) from error

    def _damaged(self, name: str, error: Exception) -> DataError:
        detail = reason(error)
        return DataError(f"{self.path}: {name} can't be read ({detail}): save it again with {self.save}")

    def _image_shape(self, name: str) -> tuple[int, int, int, int]:
        """Return (N, C, H, W) of an array of images from its header."""
        header = self._header(name)
        shape, _, dtype = header
        if not usable(dtype, self.request.values):
            remedy = f"save levels 0 .. 255 as {name}.astype('uint8'), or give their range, e.g. --range 0 255"
            raise DataError(f"{self.path}: {name} must be uint8 or float in [0, 1], not {dtype}: {remedy}")
        if 0 in shape:
            raise DataError(f"{self.path}: {name} is empty, of shape {shape}: save some images")
        try:
            channels = channels_first(shape)
        except ValueError as error:
            hint = "; features are compared by --features given" if len(shape) == 2 else ""
            raise DataError(f"{self.path}: {name} has shape {shape}, {error}{hint}") from error
        _, height, width = channels
        size, pixels = byte_count(header) // shape[0], self.request.max_pixels
        if height * width > pixels or size > image_bytes(pixels):
            raise DataError(
                f"{self.path}: {name} has images of {height}x{width} and {size:,} bytes, more than {pixels:,} pixels: "
                f"resize them, or admit them with --max-pixels {max(height * width, -(-size // 3))}"
            )
        if note := reading_note(name, shape):
            self.notes.append(note)
        return shape[0], *channels

    def _labels(self, images: str, count: int) -> NDArray[np.int64] | None:
        names = {name.lower(): name for name in self._names()}
        name = next((names[label] for label in LABELS.get(images.lower(), ()) if label in names), "")
        if not name or self.request.labels == "none":
            return None
        shape, _, dtype = self._header(name)
        if dtype.kind not in "biuf" or len(shape) not in (1, 2):
            raise self._no_labels(name, images, "one row of integers", shape, dtype)
        if shape[0] != count:
            raise DataError(f"{self.path}: {name} has {shape[0]:,} entries for {count:,} images: make them equal")
        if max(byte_count((shape, False, dtype)), 8 * count) > LABEL_BYTES:
            raise DataError(
                f"{self.path}: {name} takes {byte_count((shape, False, dtype)):,} bytes, more than the {LABEL_BYTES:,} "
                "that labels may: save one small integer an image, or leave labels out with --labels none"
            )
        try:
            labels, note = single_labels(self._array(name))
        except ValueError as error:
            raise self._no_labels(name, images, str(error), shape, dtype) from error
        if note:
            self.notes.append(f"{name}: {note}")
        return labels

    def _no_labels(self, name: str, images: str, due: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DataError:
        remedy = f"save numpy.unique({name}, return_inverse=True)[1]" if dtype.kind in "SUO" else "mend it"
        return DataError(
            f"{self.path}: {name} must be {due}, as it is read as the labels of {images}, not {dtype} {shape}: "
            f"{remedy}, or leave labels out with --labels none"
        )

    def _names(self) -> list[str]:
        assert self._zip is not None
        return [name.removesuffix(".npy") for name in self._zip.namelist()]

    def _classes(self, labels: dict[str, NDArray[np.int64]]) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
        """Return labels 0 .. K-1 and the names of the K classes."""
        if self.request.labels == "none":
            return {}, ()
        if "classes" not in self._names():
            try:
                numbered, classes, note = number_classes(list(labels.values()))
            except ValueError as error:
                raise DataError(f"{self.path}: {error}") from error
            self.notes += [note] if note else []
            return dict(zip(labels, numbered, strict=True)), classes
        names = self._array("classes")
        if names.dtype.kind != "U" or names.ndim != 1 or len(set(names.tolist())) != len(names):
            raise DataError(f"{self.path}: classes must be one row of different strings, not {names.dtype}")
        if not labels:
            raise DataError(f"{self.path} has classes but no labels: add labels or leave classes out")
        for found in labels.values():
            bad = np.flatnonzero((found < 0) | (found >= len(names)))
            if len(bad):
                value = int(found[bad[0]])
                raise DataError(
                    f"{self.path}: label {value} of image {bad[0]} is not in 0 .. {len(names) - 1}: "
                    "mend it, or read no labels with --labels none"
                )
        classes = tuple(map(str, names.tolist()))
        self.notes += empty_classes(classes, set(np.concatenate(list(labels.values())).tolist()))
        return labels, classes

    def _items(self, parts: list[tuple[str, SplitName | None]], labels: dict[str, NDArray[np.int64]]) -> Iterator[Item]:
        for name, split in parts:
            known = labels.get(name)
            for index, pixels in enumerate(self._rows(name)):
                yield Item(pixels, None if known is None else int(known[index]), split)

    def _rows(self, name: str) -> Iterator[NDArray[np.uint8]]:
        """Yield the images of one array as uint8 [C, H, W]; note 16-bit values that reach little of their range."""
        highest = 0
        try:
            with self._member(name) as file:
                header = read_header(file)
                shape, _, dtype = header
                channels = channels_first(shape)
                for index, row in enumerate(stream_rows(file, header)):
                    try:
                        levels = to_levels(row, self.request.values)
                    except ValueError as error:
                        raise DataError(f"{self.path}: {name}[{index}] {error}") from error
                    if dtype == np.uint16 and self.request.values is None:
                        highest = max(highest, int(row.max()))
                    last = len(shape) == 4 and shape[1:] != channels
                    yield np.ascontiguousarray(levels.transpose(2, 0, 1) if last else levels.reshape(channels))
        except GenkitError:
            raise
        except BROKEN_ZIP as error:
            raise self._damaged(name, error) from error
        if 0 < highest < LITTLE:
            self.notes.append(f"the 16-bit values of {name} reach {highest} of 65535: {narrow(highest)}")


class NpySource(NpzSource):
    """The one array of a bare .npy file, unlabelled images."""

    save = "numpy.save"

    def _open(self) -> list[str]:
        if self.request.array:
            raise UsageError(f"{self.path} is a single array: leave out --array")
        file_stamp(self.path)
        return self._names()

    def _names(self) -> list[str]:
        return ["images"]

    def _member(self, name: str) -> IO[bytes]:
        try:
            return open_file(self.path)
        except OSError as error:
            raise unreadable(self.path, error) from error


def npz(request: DatasetRequest) -> Source:
    """Return the source of ``npz:PATH``."""
    return NpzSource(Path(request.argument).expanduser(), request)


def npy(request: DatasetRequest) -> Source:
    """Return the source of ``npy:PATH``."""
    return NpySource(Path(request.argument).expanduser(), request)
