"""NumPy arrays of images as streams: headers, shapes, and values to levels 0 .. 255.

A bare ``.npy`` file is one array of images; an ``.npz`` holds several (genkit.data.npz).
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from genkit.files.reading import MAX_MEMORY, entire, open_file

ROUNDING = 1e-3
"""How far floats may exceed [0, 1] by rounding, as with a model's images."""

LITTLE = 1 << 14
"""16-bit values that stay below this were probably made with fewer bits."""

_BITS = (8, 10, 12, 14)
"""Bits that values below LITTLE are usually made with."""

_HEADER = 1 << 16
"""Most bytes of a header."""

_AT_ONCE = 1 << 22
"""Values that are made levels at once; as float64 they take eight times the memory of levels."""

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]
"""An array's shape, whether it is in Fortran order, and its type."""


def read_header(file: IO[bytes]) -> Header:
    """Return an array's header; raises ValueError for one that can't be read or is of no plain array."""
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"its .npy version {version} is not one of plain arrays")
        length = file.read(2 if version == (1, 0) else 4)
        due = int.from_bytes(length, "little")
        text = io.BytesIO(length + file.read(min(due, _HEADER)))
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(text)
    except Exception as error:  # NumPy evaluates the text of a header: a damaged one raises anything at all
        raise ValueError(f"its header is damaged: {error}") from error
    if min(shape, default=0) < 0 or dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize >= 1 << 62:
        raise ValueError(f"its header is damaged: it has shape {shape} of {dtype}")
    return shape, fortran, dtype


def byte_count(header: Header) -> int:
    """Return how many bytes an array of this header takes."""
    shape, _, dtype = header
    return math.prod(shape) * dtype.itemsize


def read_array(file: IO[bytes], limit: int) -> NDArray[Any]:
    """Read one array; raises ValueError if it is damaged, holds Python objects or takes more than ``limit`` bytes."""
    header = read_header(file)
    shape, fortran, dtype = header
    _refuse_objects(dtype)
    if byte_count(header) > limit:
        raise ValueError(f"it takes {byte_count(header):,} bytes, more than {limit:,}")
    data = _exactly(file, byte_count(header))
    if file.read(1):  # which also verifies the checksum of a zip
        raise ValueError("it holds more than its header says")
    return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def map_array(path: Path) -> NDArray[Any]:
    """Return the array of a .npy file, memory-mapped; raises OSError, or ValueError if it is damaged."""
    with open_file(path) as file:
        return _mapped(path, read_header(file), file.tell())


def map_member(path: Path, start: int, member: IO[bytes]) -> NDArray[Any]:
    """Return an array stored without compression in a file from ``start`` on, memory-mapped, its checksum verified."""
    header = read_header(member)
    array = _mapped(path, header, start + member.tell())
    while member.read(_AT_ONCE):
        pass
    return array


def _mapped(path: Path, header: Header, offset: int) -> NDArray[Any]:
    shape, fortran, dtype = header
    _refuse_objects(dtype)
    if offset + byte_count(header) > path.stat().st_size:
        raise ValueError("it is truncated")
    if not math.prod(shape):
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")


def _refuse_objects(dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which can run code when they are read")


def _exactly(file: IO[bytes], due: int) -> bytearray:
    """Read so many bytes; memory is taken as they come. Raises EOFError if there are fewer."""
    data = bytearray()
    while len(data) < due:
        block = file.read(min(_AT_ONCE, due - len(data)))
        if not block:
            raise EOFError("it is truncated")
        data += block
    return data


def channels_first(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (C, H, W) of an array of images; raises ValueError, with the reason, if that can't be told."""
    if len(shape) not in (3, 4):
        raise ValueError("which is none of [N, H, W], [N, H, W, C], [N, C, H, W]: bring it to one by reshape")
    if len(shape) == 3:
        return 1, shape[1], shape[2]
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first and last:
        raise ValueError("where either the second or the last axis could be channels: save the images as PNG files")
    if not (first or last):
        raise ValueError("where no axis is 1 or 3 channels: save the images as grey or RGB")
    return (shape[1], shape[2], shape[3]) if first else (shape[3], shape[1], shape[2])


def reading_note(name: str, shape: tuple[int, ...]) -> str:
    """Return how [N, H, W] was read if it may have been one colour image, otherwise an empty string."""
    if len(shape) == 3 and (shape[2] in (3, 4) or shape[0] in (3, 4)):
        return (
            f"{name} of shape {shape} is read as {shape[0]} grey images of {shape[1]}x{shape[2]}; "
            "a single colour image needs a first axis of length 1"
        )
    return ""


def stream_rows(file: IO[bytes], header: Header) -> Iterator[NDArray[Any]]:
    """Yield an array's rows as they are read; an array in Fortran order is read whole, as its rows are scattered.

    ``file`` stands behind the header; raises EOFError if it is truncated.
    """
    shape, fortran, dtype = header
    if fortran:
        if byte_count(header) > entire():
            raise ValueError(
                f"it is in Fortran order, which is read whole, and takes {byte_count(header):,} bytes, more than "
                f"{MAX_MEMORY} admits: save numpy.ascontiguousarray of it"
            )
        yield from np.frombuffer(_exactly(file, byte_count(header)), dtype=dtype).reshape(shape, order="F")
        return
    size = math.prod(shape[1:]) * dtype.itemsize
    for _ in range(shape[0]):
        data = file.read(size)
        if len(data) != size:
            raise EOFError("it is truncated")
        yield np.frombuffer(data, dtype=dtype).reshape(shape[1:])


def narrow(highest: int) -> str:
    """Return what to do where the 16-bit values of a set reach no more than ``highest``, below LITTLE."""
    bits = next(bits for bits in _BITS if highest < 1 << bits)
    return f"if they have {bits} bits, give --range 0 {(1 << bits) - 1}"


def usable(dtype: np.dtype[Any], values: tuple[float, float] | None) -> bool:
    """Return whether images of this type can be read: other integers than uint8 and uint16 need their range."""
    return dtype in (np.uint8, np.uint16, np.bool_) or dtype.kind == "f" or (dtype.kind in "iu" and values is not None)


def to_levels(row: NDArray[Any], values: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Return an image's values as levels 0 .. 255, rounded half to even.

    ``values``: the (low, high) that become 0 and 255, what is outside being clipped; by default 0 .. 65535 for uint16,
    0 and 1 for bool and [0, 1] for floats, which may exceed it by ROUNDING. Raises ValueError, with what is wrong, for
    floats outside and values that are not finite.
    """
    if values is None and row.dtype == np.uint8:
        return row
    if row.dtype.kind == "f" and not np.isfinite(row).all():
        raise ValueError("holds NaN or infinity: leave such images out")
    if values is None and row.dtype.kind == "f":
        low, high = float(row.min()), float(row.max())
        if low < -ROUNDING or high > 1 + ROUNDING:
            likely = "-1 1" if low < -ROUNDING and high <= 1 + ROUNDING else "0 255" if low >= -ROUNDING else "LOW HIGH"
            raise ValueError(
                f"has values from {low:.7g} to {high:.7g}, outside [0, 1]: give the range of the whole array, "
                f"e.g. --range {likely}, or save uint8"
            )
    default = (0.0, 65535.0) if row.dtype == np.uint16 else (0.0, 1.0)
    bottom, top = values or default
    levels = np.empty(row.shape, np.uint8)
    flat, made = row.reshape(-1), levels.reshape(-1)
    for start in range(0, len(flat), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        scaled = (flat[part].astype(np.float64).clip(bottom, top) - bottom) * 255 / (top - bottom)
        made[part] = np.rint(scaled)
    return levels
