"""The idx format of MNIST and similar data sets: a big-endian header, then the values."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genkit.data.source import unreadable
from genkit.errors import DataError
from genkit.files.reading import read_file

_UNSIGNED_BYTE = 8
_LIMIT = 256 << 20
"""Most bytes of one file, packed and unpacked; MNIST's largest has 47 million."""


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes, decompressed if the content is gzip; raises DataError if it is truncated."""
    try:
        data = read_file(path, _LIMIT)
    except OSError as error:
        raise unreadable(path, error) from error
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            data = file.read(_LIMIT + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged ({error}): fetch it again") from error
    if len(data) > _LIMIT:
        raise DataError(f"{path} unpacks to more than {_LIMIT:,} bytes, which no file of this kind has: fetch it again")
    return data


def parse_idx(data: bytes, path: Path) -> NDArray[np.uint8]:
    """Return the array of an idx file of unsigned bytes; raises DataError if header and length do not agree."""
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UNSIGNED_BYTE or not 1 <= data[3] <= 4:
        raise DataError(f"{path} is not an idx file of unsigned bytes: it begins with {data[:4].hex() or 'nothing'}")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(f"{path} is truncated within its header: fetch it again")
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, start, 4))
    due = 1
    for length in shape:
        due *= length
    if len(data) - start != due:
        raise DataError(f"{path} holds {len(data) - start:,} values where its header says {due:,}: fetch it again")
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)
