"""Images in a zip file, read in place: nothing is ever unpacked to disk."""

from __future__ import annotations

import errno
import io
import re
import stat
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from genkit.data.source import DatasetRequest, Source, file_stamp, unreadable
from genkit.data.tree import Tree, TreeSource
from genkit.errors import DataError
from genkit.files.reading import BROKEN_ZIP, Zip, reason


class ZipTree(Tree):
    """The members of a zip file, after all of them were checked.

    Refused, with the member's name: absolute paths, drives, ``..``, two members of one name, links, encryption, a
    declared size above ``limit``, and members that overlap in the file. What a member really holds counts, too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.location = str(path)
        self._zip: Zip | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}

    def key(self) -> Any:
        """Return the zip file's path, size, times and inode."""
        return [str(self.path.resolve()), *file_stamp(self.path)]

    def names(self) -> list[str]:
        """Return all members' names; raises DataError for a zip that is corrupt or malicious."""
        if self._zip is None:
            self._zip = self._open()
            for info in self._zip.infolist():
                self._admit(info)
            packed = sum(info.compress_size for info in self._zip.infolist())
            if packed > self.path.stat().st_size:
                raise DataError(f"{self.path} has members that overlap, as zip bombs do: make it anew")
        return list(self._members)

    def open(self, name: str) -> BinaryIO:
        """Return one member's bytes, its checksum verified; raises DataError."""
        if self._zip is None:
            self.names()
        assert self._zip is not None
        try:
            return io.BytesIO(self._zip.content(self._members[name], self.limit))
        except BROKEN_ZIP as error:
            detail = reason(error)
            raise DataError(f"{self.full_name(name)} can't be unpacked ({detail}): make the zip anew") from error

    def close(self) -> None:
        """Close the zip file."""
        if self._zip is not None:
            self._zip.close()
            self._zip = None
            self._members = {}

    def _open(self) -> Zip:
        try:
            return Zip(self.path)
        except IsADirectoryError as error:
            raise DataError(f"{self.path} is a folder, not a zip: it is read as folder:{self.path}") from error
        except (FileNotFoundError, PermissionError) as error:
            raise unreadable(self.path, error) from error
        except BROKEN_ZIP as error:
            if isinstance(error, OSError) and error.errno == errno.EFBIG:
                raise DataError(f"{self.path} can't be read: {reason(error)}") from error
            raise DataError(f"{self.path} is not a readable zip file ({reason(error)}): it may be truncated") from error

    def _admit(self, info: zipfile.ZipInfo) -> None:
        fault = _fault(info, self.limit)
        name = info.filename.replace("\\", "/")
        if not fault and name in self._members:
            fault = "appears twice"
        if fault:
            raise DataError(f"{self.path} is refused: its member {info.orig_filename!r} {fault}")
        if not info.is_dir():
            self._members[name] = info


def _fault(info: zipfile.ZipInfo, limit: int) -> str:
    """Return why a member is refused, or an empty string."""
    name = info.orig_filename.replace("\\", "/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in name.split("/"):
        return "climbs out of the folder"
    if "\0" in name:
        return "has a name with a zero byte"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link"
    if info.flag_bits & 1:
        return "is encrypted"
    if info.file_size > limit:
        return f"claims {info.file_size:,} bytes, more than the {limit:,} that one image may have: raise --max-pixels"
    return ""


def zip_archive(request: DatasetRequest) -> Source:
    """Return the source of ``zip:PATH``."""
    return TreeSource(ZipTree(Path(request.argument).expanduser()), request)
