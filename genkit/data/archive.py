"""Images in a zip file, read in place: nothing is ever unpacked to disk."""

from __future__ import annotations

import array
import errno
import re
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genkit.data.pieces import Piece
from genkit.data.source import DatasetRequest, Source, file_stamp, unreadable
from genkit.data.texts import Texts
from genkit.data.tree import Tree, TreeSource
from genkit.data.zip_directory import ZipDirectory
from genkit.errors import DataError
from genkit.files.reading import BROKEN_ZIP, reason

_LOOK = 1 << 16
"""Members after which names are first looked through for one that is there twice."""


class ZipTree(Tree):
    """The members of a zip file, after all of them were checked.

    Refused, with the member's name: absolute paths, drives, ``..``, two members of one name, links, encryption, a
    declared size above ``limit``, and members that overlap in the file. What a member really holds counts, too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.location = str(path)
        self._zip: ZipDirectory | None = None

    def key(self) -> Any:
        """Return the zip file's path, size, times and inode."""
        return [str(self.path.resolve()), *file_stamp(self.path)]

    def names(self) -> Sequence[str]:
        """Return all members' names; raises DataError for a zip that is corrupt or malicious."""
        return self._opened().names

    def piece(self, place: int) -> Piece:
        """Return one member's bytes, its checksum verified; raises DataError."""
        directory = self._opened()
        try:
            return Piece(self.full_name(place), directory.content(place, self.limit))
        except BROKEN_ZIP as error:
            detail = reason(error)
            raise DataError(f"{self.full_name(place)} can't be unpacked ({detail}): make the zip anew") from error

    def close(self) -> None:
        """Close the zip file."""
        if self._zip is not None:
            self._zip.close()
            self._zip = None

    def _opened(self) -> ZipDirectory:
        if self._zip is not None:
            return self._zip
        directory = None
        try:
            directory = ZipDirectory(self.path)
            self._admit(directory)
        except IsADirectoryError as error:
            raise DataError(f"{self.path} is a folder, not a zip: it is read as folder:{self.path}") from error
        except (FileNotFoundError, PermissionError) as error:
            raise unreadable(self.path, error) from error
        except BROKEN_ZIP as error:
            if isinstance(error, OSError) and error.errno == errno.EFBIG:
                raise DataError(f"{self.path} can't be read: {reason(error)}") from error
            raise DataError(f"{self.path} is not a readable zip file ({reason(error)}): it may be truncated") from error
        finally:
            if self._zip is None and directory is not None:
                directory.close()
        return directory

    def _admit(self, directory: ZipDirectory) -> None:
        """Take a zip's members, after all were checked."""
        packed, look = 0, _LOOK
        hashes = array.array("q")
        for info in directory.entries():
            if fault := _fault(info, self.limit):
                raise self._refused(info.orig_filename, fault)
            packed += directory.HEADER + info.compress_size
            if packed > directory.room:  # before more of its members are listed, which may be millions
                raise DataError(f"{self.path} has members that overlap, as zip bombs do: make it anew")
            if not info.is_dir():
                directory.keep(info)
                hashes.append(hash(info.orig_filename.replace("\\", "/")))
                if len(hashes) == look:  # not at the end alone: of millions it is far
                    self._refuse_twice(directory.names, hashes)
                    look *= 4
        self._refuse_twice(directory.names, hashes)
        self._zip = directory

    def _refuse_twice(self, names: Texts, hashes: array.array[int]) -> None:
        if twice := _twice(names, hashes):
            raise self._refused(twice, "appears twice")

    def _refused(self, name: str, fault: str) -> DataError:
        return DataError(f"{self.path} is refused: its member {name!r} {fault}")


def _twice(names: Texts, hashes: array.array[int]) -> str:
    """Return a name that is there twice, or an empty string; the hashes of names tell which may be."""
    found, counts = np.unique(np.asarray(hashes, dtype=np.int64), return_counts=True)
    doubtful = set(found[counts > 1].tolist())
    seen: set[str] = set()
    for name in names if doubtful else ():
        if hash(name) in doubtful:
            if name in seen:
                return name
            seen.add(name)
    return ""


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
