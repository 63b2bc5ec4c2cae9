"""Members of zips in bzip2 and LZMA, of which a few bytes hold gigabytes: unpacked no further than they are read."""

from __future__ import annotations

import bz2
import copy
import io
import lzma
import struct
import zipfile
import zlib
from typing import IO, Any

_BLOCK = 1 << 20
_PACKED = 1 << 16
_DICTIONARY = 256 << 20
"""Most bytes that LZMA may look back; more than that is never asked for by those who pack."""


def member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """Open a member of a zip; a read unpacks little more than it returns, whatever size the member claims."""
    if info.compress_type in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        return io.BufferedReader(_Member(archive, info), _BLOCK)
    return archive.open(info)


class _Member(io.RawIOBase):
    """What ``zipfile`` would give, which unpacks all that it has of these two; errors are the same."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        packed = copy.copy(info)
        packed.compress_type, packed.file_size = zipfile.ZIP_STORED, info.compress_size
        del packed.CRC  # that of the unpacked bytes
        self._packed = archive.open(packed)
        self._name, self._left, self._expected, self._crc = info.filename, info.file_size, info.CRC, 0
        self._unpacker: Any = bz2.BZ2Decompressor() if info.compress_type == zipfile.ZIP_BZIP2 else _lzma(self._packed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = b""
        while not data and self._left and not self._unpacker.eof:
            packed = self._packed.read(_PACKED) if self._unpacker.needs_input else b""
            if not packed and self._unpacker.needs_input:
                raise EOFError(f"{self._name} is cut off")
            data = self._unpacker.decompress(packed, min(len(buffer), self._left))
        self._left -= len(data)
        self._crc = zlib.crc32(data, self._crc)
        if (not self._left or self._unpacker.eof) and self._crc != self._expected:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {self._name!r}")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._packed.close()
        super().close()


def _lzma(packed: IO[bytes]) -> lzma.LZMADecompressor:
    """Return what unpacks a member, whose first bytes are read: a version, and the size and bytes of its properties."""
    head = packed.read(9)
    size, settings, dictionary = struct.unpack("<2xHBI", head) if len(head) == 9 else (0, 0, 0)
    if size != 5 or settings >= 9 * 5 * 5 or dictionary > _DICTIONARY:
        raise lzma.LZMAError("its properties are not those of LZMA, or ask for more memory than is given")
    lc, lp, pb = settings % 9, settings // 9 % 5, settings // 45
    filters = [{"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": max(dictionary, 4096)}]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
