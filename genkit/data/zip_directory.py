"""The directory of a zip in little memory: ``zipfile`` takes half a gigabyte for a million members.

``zipfile`` still does the reading: its objects are made of a few thousand entries at a time, and of each member that is
opened.
"""

from __future__ import annotations

import array
import errno
import io
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from genkit.data.texts import Texts
from genkit.files.reading import MAX_MEMORY, entire, open_file
from genkit.files.unpacking import member

_END, _LOCATOR, _END64 = (struct.Struct(each) for each in ("<4s4H2LH", "<4sLQL", "<4sQ2H2L4Q"))
"""The end of a directory; where that of a large zip is; and that of a large zip. (APPNOTE.TXT, 4.3.14 to 4.3.16)"""

_ENTRY = 46
"""Bytes of an entry of the directory before its name; its three texts have at most 65,535 each."""

_COMMENT = 1 << 16
_SLICE = 1 << 18
_BLOCK = 1 << 20

_MEMBER = 40
"""Bytes of memory that is taken of a member, besides its name."""


class ZipDirectory:
    """The members of a zip file, by their place in its directory; raises OSError or what BROKEN_ZIP lists.

    ``room``: the bytes before the directory, in which all members lie, each with a header of at least ``HEADER`` bytes.
    """

    HEADER = 30

    def __init__(self, path: Path) -> None:
        self.names = Texts()
        self._written: dict[int, str] = {}
        self._numbers = [array.array(code) for code in "qqqIHH"]
        self._file = open_file(path)
        try:
            start, self._size, self._shift = _place(self._file)
            self._archive = zipfile.ZipFile(_Emptied(self._file, start))
            self._entries_at = self.room = start
        except BaseException:
            self._file.close()
            raise

    def entries(self) -> Iterator[zipfile.ZipInfo]:
        """Yield what the directory says of all members, in order, from its beginning."""
        place, end = self._entries_at, self._entries_at + self._size
        while place < end:
            self._file.seek(place)
            data = self._file.read(min(_SLICE, end - place))
            whole, count = _whole(data)
            if not count:
                raise zipfile.BadZipFile("its directory is truncated")
            place += whole
            tail = _END.pack(b"PK\5\6", 0, 0, count, count, whole, 0, 0)
            with zipfile.ZipFile(io.BytesIO(data[:whole] + tail)) as some:
                yield from some.infolist()

    def keep(self, info: zipfile.ZipInfo) -> None:
        """Keep what is needed to open a member, under the next place; raises OSError if that takes too much memory.

        Its name has ``/`` where the zip may have a backslash.
        """
        name = info.orig_filename.replace("\\", "/")
        if name != info.orig_filename:
            self._written[len(self.names)] = info.orig_filename
        self.names.append(name)
        offset = info.header_offset + self._shift
        found = (offset, info.compress_size, info.file_size, info.CRC, info.compress_type, info.flag_bits)
        for column, number in zip(self._numbers, found, strict=True):
            column.append(number)
        if len(self.names) * _MEMBER > entire():
            raise OSError(
                errno.EFBIG,
                f"it lists more than {len(self.names):,} members, and would take more than {entire() >> 20:,} MB of "
                f"memory, which {MAX_MEMORY} can raise",
            )

    def content(self, place: int, limit: int) -> bytes:
        """Return a member's bytes, its checksum verified; raises OSError if there are more than ``limit``."""
        info = zipfile.ZipInfo(self._written.get(place) or self.names[place])
        numbers: Any = [column[place] for column in self._numbers]
        info.header_offset, info.compress_size, info.file_size, info.CRC, info.compress_type, info.flag_bits = numbers
        parts, size = [], 0
        with member(self._archive, info) as file:
            while block := file.read(min(_BLOCK, limit + 1 - size)):
                parts.append(block)
                size += len(block)
                if size > limit:
                    raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes")
        return b"".join(parts)

    def close(self) -> None:
        """Close the file."""
        self._archive.close()
        self._file.close()


def _place(file: BinaryIO) -> tuple[int, int, int]:
    """Return where the directory begins, its size, and how far the members lie behind where it says they do."""
    size = file.seek(0, io.SEEK_END)
    first = max(0, size - _END.size - _COMMENT)
    file.seek(first)
    tail = file.read(_END.size + _COMMENT)
    found = len(tail) - _END.size
    if found < 0 or not tail.startswith(b"PK\5\6", found) or not tail.endswith(b"\0\0"):
        found = tail.rfind(b"PK\5\6")  # a comment follows
    if found < 0 or found + _END.size > len(tail):
        raise zipfile.BadZipFile("File is not a zip file")
    length, offset = _END.unpack_from(tail, found)[5:7]
    end = first + found
    if end >= _LOCATOR.size + _END64.size:
        file.seek(end - _LOCATOR.size - _END64.size)
        large = file.read(_END64.size + _LOCATOR.size)
        mark, _, _, disks = _LOCATOR.unpack_from(large, _END64.size)
        if mark == b"PK\6\7":
            if disks > 1:
                raise zipfile.BadZipFile("zipfiles that span multiple disks are not supported")
            if large.startswith(b"PK\6\6"):
                length, offset = _END64.unpack_from(large)[8:]
                end -= _END64.size + _LOCATOR.size
    if length > end:
        raise zipfile.BadZipFile("Bad offset for central directory")
    return end - length, length, end - length - offset


def _whole(data: bytes) -> tuple[int, int]:
    """Return the bytes and the number of the entries that are whole in a part of a directory."""
    place = count = 0
    while place + _ENTRY <= len(data):
        if not data.startswith(b"PK\1\2", place):
            raise zipfile.BadZipFile("Bad magic number for central directory")
        name, extra, comment = struct.unpack_from("<3H", data, place + 28)
        after = place + _ENTRY + name + extra + comment
        if after > len(data):
            break
        place, count = after, count + 1
    return place, count


class _Emptied(io.RawIOBase):
    """A zip file as if its directory were empty: its members are opened by what is known of them."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start
        self._tail = _END.pack(b"PK\5\6", 0, 0, 0, 0, 0, min(start, 0xFFFFFFFF), 0)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._start + len(self._tail)}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "it is read before its beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        if self._at >= self._start:
            data = self._tail[self._at - self._start :][: len(buffer)]
        else:
            self._file.seek(self._at)
            data = self._file.read(min(len(buffer), self._start - self._at))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
