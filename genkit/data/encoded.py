"""Pixels that are kept as encoded files and decoded whenever they are read, in threads, which Pillow admits."""

from __future__ import annotations

import functools
import io
import math
import operator
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import features

from genkit.data.images import png
from genkit.data.pieces import Rules
from genkit.data.workers import processors
from genkit.errors import DataError
from genkit.files.reading import open_file, reason

_AT_ONCE = 64


class EncodedPixels:
    """Images as an array uint8 [N, C, H, W] whose parts are decoded when they are asked for.

    ``own`` has the bytes of the images that are kept in the pack, uint8, mapped; ``files`` the paths of others, each
    with its stamp. ``places`` int64 [N, 3] says of each image where it is (0: in ``own``, n: in the n-th of ``files``),
    from which byte on and how many; ``part`` says which of them these are. An image that is smaller than ``shape``
    stands in the corner of zeros. It is indexed as an array is, by numbers, slices or arrays of numbers in its first
    axis, and gives arrays; raises DataError for a file that has changed or is gone.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        own: NDArray[np.uint8],
        files: Sequence[tuple[str, Sequence[int]]],
        places: NDArray[np.int64],
        shape: tuple[int, int, int],
        rules: Rules,
        part: slice = slice(None),
    ) -> None:
        self.own, self.files, self.places, self.rules = own, files, places, rules
        self._range = range(len(places))[part]
        self.shape = (len(self._range), *shape)

    def part(self, which: slice) -> EncodedPixels:
        """Return some of the images, none of which is decoded."""
        chosen = self._range[which]
        _, channels, height, width = self.shape
        bounds = slice(chosen.start, chosen.stop)
        return EncodedPixels(self.own, self.files, self.places, (channels, height, width), self.rules, bounds)

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Number of all pixels."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return len(self._range)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        if isinstance(key, tuple):
            several = isinstance(key[0], slice) or np.ndim(key[0])
            found: NDArray[np.uint8] = self[key[0]][(slice(None), *key[1:]) if several else key[1:]]
            return found
        if isinstance(key, slice):
            return self._read(list(self._range[key]))
        places = np.asarray(key)
        if places.ndim == 0:
            one: NDArray[np.uint8] = self._read([self._range[operator.index(key)]])[0]
            return one
        if places.dtype == bool:
            places = np.flatnonzero(places)
        return self._read([self._range[place] for place in places.tolist()])

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self[start : start + _AT_ONCE]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def _read(self, places: list[int]) -> NDArray[np.uint8]:
        found = np.zeros((len(places), *self.shape[1:]), np.uint8)

        def read(index: int) -> None:
            number, start, size = self.places[places[index]].tolist()
            if number:
                path, stamp = self.files[number - 1]
                name = f"the image at {start} of {path}"
                data = _part(path, stamp, start, size, name)
            else:
                name, data = f"the packed image {places[index]}", self.own[start : start + size].tobytes()
            pixels = self.rules.decoded(io.BytesIO(data), name)
            _, height, width = pixels.shape
            found[index, :, :height, :width] = pixels

        if len(places) == 1:
            read(0)
        else:
            for _ in _threads(os.getpid()).map(read, range(len(places))):
                pass
        return found


def _part(path: str, stamp: Sequence[int], start: int, size: int, name: str) -> bytes:
    """Return a part of a file that is as it was when it was packed; raises DataError, which begins with ``name``.

    Its size and time of change are compared, as it stays open to others while a model trains for days. Inodes are not:
    some network file systems give others at any time.
    """
    try:
        with open_file(path) as file:
            found = os.fstat(file.fileno())
            if [found.st_size, found.st_mtime_ns] != [*stamp[:2]]:
                raise DataError(
                    f"{name} can't be read: the file has changed since it was packed by --pack encoded: put back what "
                    "it was, or open the data set again, which packs it anew"
                )
            file.seek(start)
            return file.read(size)
    except OSError as error:
        raise DataError(f"{name} can't be read ({reason(error)}): put the file back") from error


@functools.lru_cache(maxsize=1)
def _threads(process: int) -> ThreadPoolExecutor:
    """Return the threads that decode in this process; one that was forked has none of its parent's."""
    return ThreadPoolExecutor(processors(), "genkit-decode")


def encode(pixels: NDArray[np.uint8], name: str) -> bytes:
    """Return pixels [C, H, W] of a source without files as PNG; raises DataError, which begins with ``name``."""
    if len(pixels) not in (1, 3):
        raise DataError(
            f"{name} has images of {len(pixels)} channels, which no image file has: leave out --pack encoded"
        )
    return png(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def decoders() -> dict[str, str | None]:
    """Return the versions of what decodes: another may decode to other pixels."""
    libraries = ("jpg", "libjpeg_turbo", "jpg_2000", "webp", "libtiff")
    return {"pillow": PIL.__version__, **{name: features.version(name) for name in libraries}}
