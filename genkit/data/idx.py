"""The idx format of MNIST and similar data sets: a big-endian header, then the values."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genkit.data.source import unreadable
from genkit.errors import DataError

_UNSIGNED_BYTE = 8


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes, decompressed if the content is gzip; raises DataError if it is truncated."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged ({error}): fetch it again") from error


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
