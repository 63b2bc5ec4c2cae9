"""What is made of one image file, in this process or in another: its header, or its pixels."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, BinaryIO, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from genkit.data.decode import Header, decode, read_header
from genkit.data.source import MAX_PIXELS, Crop, Decoding
from genkit.errors import DataError
from genkit.files.picture_metadata import read_metadata
from genkit.files.reading import entire, open_file

R = TypeVar("R")

Message = tuple[Any, list[bytes]]
"""Plain JSON, and bytes that go with it."""


@dataclass(frozen=True)
class Piece:
    """An image file as any process can open it: its bytes, or the path and part of the file that has them.

    ``name`` is its name in messages; ``limit`` the most bytes of a read.
    """

    name: str
    data: bytes | None = None
    path: str = ""
    part: tuple[int, int] | None = None
    limit: int = 0

    @property
    def size(self) -> int:
        """Bytes that it has; 0 of a file that is not there."""
        if self.data is not None:
            return len(self.data)
        if self.part is not None:
            return self.part[1]
        try:
            return os.stat(self.path).st_size
        except OSError:
            return 0

    def open(self) -> BinaryIO:
        """Open it for reading from its beginning; raises DataError."""
        if self.data is not None:
            return io.BytesIO(self.data)
        try:
            file = open_file(self.path, self.limit or entire())
            if self.part is None:
                return file
            with file:
                file.seek(self.part[0])
                return io.BytesIO(file.read(self.part[1]))
        except OSError as error:
            raise _unreadable(self.name, error) from error


@dataclass(frozen=True)
class Rules:
    """How a file becomes pixels: the arguments of ``decode``."""

    grey: bool
    size: tuple[int, int] | None = None
    crop: Crop = "center"
    values: tuple[float, float] | None = None
    max_pixels: int = MAX_PIXELS
    decoding: Decoding = "genkit"

    def __post_init__(self) -> None:
        for name in ("size", "values"):
            if isinstance(pair := getattr(self, name), list):  # as JSON has them
                object.__setattr__(self, name, tuple(pair))

    def decoded(self, file: BinaryIO, name: str) -> NDArray[np.uint8]:
        """Return the pixels of a file, uint8 [C, H, W]; raises DataError, which names it."""
        return decode(
            file,
            name,
            grey=self.grey,
            size=self.size,
            crop=self.crop,
            values=self.values,
            max_pixels=self.max_pixels,
            decoding=self.decoding,
        )


class Work(ABC, Generic[R]):
    """What is made of a piece, and how the result is sent from one process to another."""

    @abstractmethod
    def made(self, file: BinaryIO, name: str) -> R:
        """Return what is made of an open file; raises DataError, which names it."""

    @abstractmethod
    def sent(self, result: R) -> Message:
        """Return a result as a message."""

    @abstractmethod
    def received(self, message: Message) -> R:
        """Return the result of a message."""

    def of(self, piece: Piece | DataError) -> R | DataError:
        """Return what is made of a piece, or why it can't be used."""
        if isinstance(piece, DataError):
            return piece
        try:
            with piece.open() as file:
                return self.made(file, piece.name)
        except OSError as error:
            return _unreadable(piece.name, error)
        except DataError as error:
            return error


@dataclass(frozen=True)
class Looking(Work[tuple[Header, str]]):
    """Reads headers, and what says that an image is generated."""

    max_pixels: int
    decoding: Decoding

    def made(self, file: BinaryIO, name: str) -> tuple[Header, str]:
        """Return the header, and what says that the image is generated or an empty string."""
        found = read_header(file, name, self.max_pixels, decoding=self.decoding)
        return found, read_metadata(file).generated_by

    def sent(self, result: tuple[Header, str]) -> Message:
        """Return it as JSON."""
        return [asdict(result[0]), result[1]], []

    def received(self, message: Message) -> tuple[Header, str]:
        """Return what ``sent`` was given."""
        header, says = message[0]
        return Header(**{**header, "special": tuple(header["special"])}), says


@dataclass(frozen=True)
class Decoded:
    """An image's pixels, uint8 [C, H, W], and its file's bytes if they are kept."""

    pixels: NDArray[np.uint8]
    encoded: bytes = b""


@dataclass(frozen=True)
class Unpacking(Work[Decoded]):
    """Decodes files; ``keep``: with the bytes of each."""

    rules: Rules
    keep: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.rules, dict):  # as JSON has them
            object.__setattr__(self, "rules", Rules(**self.rules))

    def made(self, file: BinaryIO, name: str) -> Decoded:
        """Return the pixels."""
        pixels = self.rules.decoded(file, name)
        if not self.keep:
            return Decoded(pixels)
        file.seek(0)
        return Decoded(pixels, file.read())

    def sent(self, result: Decoded) -> Message:
        """Return the shape as JSON, with the pixels and the file behind it."""
        return list(result.pixels.shape), [result.pixels.tobytes(), result.encoded]

    def received(self, message: Message) -> Decoded:
        """Return what ``sent`` was given."""
        shape, (pixels, encoded) = message
        return Decoded(np.frombuffer(pixels, np.uint8).reshape(shape), encoded)


WORKS: dict[str, type[Work[Any]]] = {each.__name__: each for each in (Looking, Unpacking)}


def asked(work: Work[R], pieces: list[Piece]) -> Message:
    """Return the message that asks another process to work on pieces."""
    facts = [{**vars(piece), "data": None if piece.data is None else len(piece.data)} for piece in pieces]
    options: dict[str, Any] = asdict(work) if is_dataclass(work) and not isinstance(work, type) else {}
    return [type(work).__name__, options, facts], [piece.data for piece in pieces if piece.data is not None]


def answered(message: Message) -> Message:
    """Do what a message of ``asked`` says; return the message with the results."""
    (name, options, facts), blobs = message
    work = WORKS[name](**options)
    data = iter(blobs)
    results: list[Any] = []
    found: list[bytes] = []
    for each in facts:
        part = None if each["part"] is None else tuple(each["part"])
        result = work.of(Piece(**{**each, "data": None if each["data"] is None else next(data), "part": part}))
        if isinstance(result, DataError):
            results.append({"error": str(result)})
        else:
            value, own = work.sent(result)
            results.append({"value": value, "blobs": len(own)})
            found += own
    return results, found


def results_of(work: Work[R], message: Message) -> list[R | DataError]:
    """Return the results that a message of ``answered`` holds."""
    facts, blobs = message
    found: list[R | DataError] = []
    place = 0
    for each in facts:
        if "error" in each:
            found.append(DataError(each["error"]))
        else:
            found.append(work.received((each["value"], blobs[place : place + each["blobs"]])))
            place += each["blobs"]
    return found


def _unreadable(name: str, error: OSError) -> DataError:
    return DataError(f"{name} can't be read: {error.strerror or error}")
