"""How many scans a JPEG has: each goes over all pixels, and may be a few bytes. (ITU-T T.81, annex B)"""

from __future__ import annotations

import io
import re
from typing import BinaryIO

from genkit.errors import DataError

MOST = 100
"""Scans that are read, as many as cjpeg makes and libtiff takes."""

_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
"""A marker that is followed by a length, or ends the image; ff 00 and those of restarts are part of a scan's data."""
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


def refuse_scans(file: BinaryIO, name: str) -> None:
    """Raise DataError, which names the file, for a JPEG of more than ``MOST`` scans; the file stays where it is."""
    place = file.tell()
    file.seek(0)
    scans = _scans(file.getvalue() if isinstance(file, io.BytesIO) else file.read())
    file.seek(place)
    if scans > MOST:
        raise DataError(
            f"{name} is a JPEG of {scans:,} scans, and at most {MOST} are read: save it again, or leave bad files out "
            "with --skip-bad"
        )


def _scans(data: bytes) -> int:
    scans, place = 0, 2
    while (found := _MARKER.search(data, place)) is not None and (kind := found[1][0]) != _END_OF_IMAGE:
        scans += kind == _START_OF_SCAN
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return scans
