"""LMDB databases of encoded images, as LSUN has them: values are images, in the order of their keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genkit.data.extras import extra_module
from genkit.data.pieces import Piece
from genkit.data.shards import Samples, SampleTree
from genkit.data.source import DatasetRequest, Source, file_stamp
from genkit.data.tree import TreeSource
from genkit.errors import DataError, MissingError
from genkit.files.names import in_utf8

COUNTS = frozenset({b"length", b"__len__", b"__keys__", b"num-samples"})
"""Keys that hold no image but the number of images or the list of keys."""


class LmdbTree(SampleTree):
    """The values of one database, opened read-only and without lock."""

    def __init__(self, path: Path, request: DatasetRequest) -> None:
        folder = path.parent if path.name == "data.mdb" else path
        super().__init__(str(folder), request)
        self.file = folder / "data.mdb" if folder.is_dir() else folder
        if not self.file.is_file():
            raise MissingError(f"there is no {self.file}: give the folder that holds data.mdb")
        self._lmdb = extra_module("lmdb", "lmdb", f"reading {folder}")
        self._environment: Any = None
        self._keys: list[bytes] = []

    def key(self) -> Any:
        """Return the database's path, size, times and inode."""
        return [str(self.file.resolve()), *file_stamp(self.file)]

    def read_samples(self) -> Samples:
        """List the keys; raises DataError for a file that is no LMDB."""
        found, names = Samples(), set[str]()
        try:
            with self._opened().begin() as view, view.cursor() as cursor:
                for key in cursor.iternext(keys=True, values=False):
                    if key in COUNTS:
                        self.said.append(f"the entry {key.decode()} is no image and is not read")
                        continue
                    name = key.decode("utf-8", "backslashreplace")
                    if "\\" in name:  # only bytes that are no text, or what looks like them, can have one name
                        name = name if name not in names else key.hex()
                        names.add(name)
                    self._keys.append(bytes(key))
                    found.add(name)
        except self._lmdb.Error as error:
            raise self._damaged(error) from error
        return found

    def piece(self, place: int) -> Piece:
        """Return the bytes of one value; raises DataError."""
        try:
            with self._opened().begin(buffers=True) as view:
                value = view.get(self._keys[place])
                if len(value) > self.limit:
                    raise DataError(
                        f"{self.full_name(place)} has {len(value):,} bytes, more than the {self.limit:,} that one "
                        "image may have: raise --max-pixels"
                    )
                return Piece(self.full_name(place), bytes(value))
        except self._lmdb.Error as error:
            raise self._damaged(error) from error

    def close(self) -> None:
        """Close the database."""
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def _opened(self) -> Any:
        if self._environment is None:
            with in_utf8(self.file) as name:
                self._environment = self._lmdb.open(
                    name, subdir=False, readonly=True, lock=False, readahead=False, create=False
                )
        return self._environment

    def _damaged(self, error: Exception) -> DataError:
        return DataError(f"{self.file} can't be read as LMDB ({error}): fetch it again")


def lmdb_database(request: DatasetRequest) -> Source:
    """Return the source of ``lmdb:PATH``."""
    return TreeSource(LmdbTree(Path(request.argument).expanduser(), request), request)
