"""The one way in: files from outside are read with limits on the bytes that arrive, whatever a header claims.

Only regular files are opened: reading a pipe, a socket or a device may never end. What is refused is an OSError whose
``strerror`` is a plain reason ("it is a pipe, not a file") and goes into the sentence that the caller has for files
that can't be read. JSON and TOML that can't be used are a ValueError. Nothing here allocates what is only claimed.
"""

from __future__ import annotations

import errno
import io
import json
import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from genkit.errors import UsageError
from genkit.files.unpacking import member

DOCUMENT = 16 << 20
"""Most bytes of a JSON document such as a record or a run's settings."""

SETTINGS = 1 << 20
"""Most bytes of a TOML file."""

MAX_MEMORY = "GENKIT_MAX_MEMORY"
"""The environment variable that raises what may be held in memory whole, in megabytes."""

JSON_WEIGHTS = {"[": 90, "{": 240, ",": 64}
"""Most bytes of memory that each mark in a JSON text stands for."""

DEPTH = 100
"""How deep lists and tables of JSON and TOML may be nested."""

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

_ENTRY, _MEMBER = b"PK\1\2", 362
"""What an entry of a zip's directory begins with, and the bytes of memory of a member besides its entry, held twice."""

_BLOCK = 1 << 20
_DOTTED = re.compile(r"(?:\.[^.\n=]++){100}")
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class Regular(io.BufferedReader):
    """A regular file that never gives more than ``limit`` bytes at a time; a read of all of them raises EFBIG."""

    given: Callable[[bytes, Any], None] | None = None
    """Is given what each read returns and the file's name, and may raise an error."""

    def __init__(self, raw: io.FileIO, limit: int) -> None:
        super().__init__(raw)
        self.limit = limit

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as a file does; raises OSError if more than the limit is asked for and there."""
        data = self._limited(size)
        if self.given is not None:
            self.given(data, self.name)
        return data

    def _limited(self, size: int | None) -> bytes:
        if size is not None and 0 <= size <= self.limit:
            return super().read(size)
        most = self.limit if size is None or size < 0 else size
        there = max(0, os.fstat(self.fileno()).st_size - self.tell())
        data = super().read(min(self.limit, there, most) + 1)
        if there < len(data) <= self.limit:  # it grew, or is of a system that gives no sizes
            data += super().read(self.limit + 1 - len(data))
        if len(data) > self.limit:
            raise _too_large(self.limit, self.name)
        return data


def entire() -> int:
    """Return the most bytes of anything that is held in memory whole: 600 MB, or what GENKIT_MAX_MEMORY says."""
    given = os.environ.get(MAX_MEMORY, "600")
    if not given.isascii() or not given.isdigit():
        raise UsageError(f"{MAX_MEMORY} is {given!r}: give megabytes, e.g. {MAX_MEMORY}=4096")
    return int(given) << 20


def open_file(path: Path | str, limit: int | None = None) -> Regular:
    """Open a regular file for reading, never waiting; no read gives more than ``limit`` bytes, by default ``entire()``.

    Raises OSError, also for a folder, a pipe, a socket or a device.
    """
    return Regular(_regular(path), entire() if limit is None else limit)


def _regular(path: Path | str) -> io.FileIO:
    _refuse_special(os.stat(path).st_mode, path)  # before opening, which a writer at a pipe would notice
    raw = io.FileIO(os.fspath(path), "rb", opener=_opener)
    try:
        _refuse_special(os.fstat(raw.fileno()).st_mode, path)
    except BaseException:
        raw.close()
        raise
    return raw


def reason(error: BaseException) -> str:
    """Return why something can't be read, in one line that does not repeat the file's name."""
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


def read_file(path: Path | str, limit: int = DOCUMENT) -> bytes:
    """Return a regular file's bytes; raises OSError, also if there are more than ``limit``."""
    with _regular(path) as raw:
        size = os.fstat(raw.fileno()).st_size
        data: bytes = raw.read(size) if size <= limit else b""
    if len(data) == size > 0:  # nearly always, and in half the time
        return data
    with open_file(path, limit) as file:
        return file.read()


def parse_json(data: bytes | str, depth: int = DEPTH) -> Any:
    """Return what a JSON text says; raises ValueError if it is none, too large or nested more than ``depth`` deep."""
    refuse_large(data, JSON_WEIGHTS)
    try:
        found = json.loads(data)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP % depth) from error
    _refuse_depth(found, depth)
    return found


def refuse_large(data: bytes | str, weights: Mapping[str, int]) -> None:
    """Raise ValueError for a text that would take more memory than ``entire()`` when parsed.

    ``weights``: the most bytes of memory that each of its marks stands for.
    """
    if len(data) * (max(weights.values()) + 5) <= entire():  # most documents are small
        return
    if isinstance(data, str):
        marks = sum(data.count(mark) * weight for mark, weight in weights.items())
    else:
        marks = sum(data.count(mark.encode()) * weight for mark, weight in weights.items())
    if marks + (2 if data.isascii() else 5) * len(data) > entire():
        raise ValueError(f"it {_too_much()}")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; raises OSError or ValueError, the latter also for zero bytes in texts."""
    import tomllib  # late: listings read none

    text = read_file(path, SETTINGS).decode("utf-8", "surrogateescape")  # as in names of files
    if _DOTTED.search(text):  # which tomllib takes hours for
        raise ValueError(f"a key has more than {DEPTH} parts")
    try:
        found = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP % DEPTH) from error
    for value in _refuse_depth(found):
        if isinstance(value, str) and "\0" in value:
            raise ValueError(f"the text {value!r:.40} holds a zero byte")
    return found


class Zip(zipfile.ZipFile):
    """A zip file that is read by its members as they unpack; raises OSError or what BROKEN_ZIP lists."""

    _file: Regular | None = None

    def __init__(self, path: Path | str) -> None:
        self._file = open_file(path)
        self._file.given = _refuse_many
        try:
            super().__init__(self._file)
        except BaseException:
            self._file.close()
            raise
        self._file.given = None  # what follows are members

    def close(self) -> None:
        """Close the zip and its file."""
        super().close()
        if self._file is not None:
            self._file.close()

    def stream(self, name: str | zipfile.ZipInfo) -> IO[bytes]:
        """Open a member; a read unpacks little more than it returns, whatever size the member claims."""
        return member(self, name if isinstance(name, zipfile.ZipInfo) else self.getinfo(name))

    def start(self, info: zipfile.ZipInfo) -> int | None:
        """Return where in the file the bytes of a member that is not compressed begin, else None."""
        if info.compress_type != zipfile.ZIP_STORED or self._file is None:
            return None
        self._file.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", self._file.read(4))
        return info.header_offset + 30 + int(name) + int(extra)

    def content(self, name: str | zipfile.ZipInfo, limit: int) -> bytes:
        """Return a member's bytes, its checksum verified; raises OSError if there are more than ``limit``."""
        parts, size = [], 0
        with self.stream(name) as file:
            while block := file.read(min(_BLOCK, limit + 1 - size)):
                parts.append(block)
                size += len(block)
                if size > limit:
                    raise _too_large(limit, self.filename)
        return b"".join(parts)


_TOO_DEEP = "it is nested more than %d deep"


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def _refuse_special(mode: int, path: Path | str) -> None:
    if not stat.S_ISREG(mode):
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(number, f"it is {_KINDS.get(stat.S_IFMT(mode), 'special')}, not a file", os.fspath(path))


def _too_much() -> str:
    return f"would take more than {entire() >> 20:,} MB of memory, which {MAX_MEMORY} can raise"


def _refuse_many(directory: bytes, path: Any) -> None:
    """Raise OSError for a zip's directory whose members would take too much memory."""
    members = directory.count(_ENTRY)
    if members * _MEMBER + 2 * len(directory) > entire():
        raise OSError(errno.EFBIG, f"it lists {members:,} members, and {_too_much()}", path)


def _too_large(limit: int, path: Any) -> OSError:
    raised = f", which {MAX_MEMORY} can raise" if limit == entire() else ""
    return OSError(errno.EFBIG, f"it has more than {limit:,} bytes{raised}", path)


def _refuse_depth(value: Any, depth: int = DEPTH) -> list[Any]:
    """Return all values that are neither list nor dict; raises ValueError for more than ``depth`` levels of these."""
    plain: list[Any] = []
    level = [value]
    for _ in range(depth + 1):
        held = [each for each in level if type(each) is dict or type(each) is list]
        if len(held) < len(level):
            plain += [each for each in level if type(each) is not dict and type(each) is not list]
        if not held:
            return plain
        level = [inner for each in held for inner in (each.values() if type(each) is dict else each)]
    raise ValueError(_TOO_DEEP % depth)
