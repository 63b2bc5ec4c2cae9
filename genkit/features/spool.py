"""Arrays on disk, written row by row: memory does not grow with them, and an interrupted pass can be resumed.

<folder>/<name>.npy       one array, with the header of its final shape; rows from ``done`` on are missing
<folder>/progress.json    the number of complete rows, and the SHA-256 of each file up to their end
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from genkit.data.npy import map_array, read_header
from genkit.errors import DataError
from genkit.files.integrity import Damaged, hash_of_part, sealed, sha256_parts, unchanged, unsealed
from genkit.files.locks import ProcessLock, excludes
from genkit.files.reading import open_file, read_file
from genkit.files.temporaries import Scratch
from genkit.files.text import logger
from genkit.files.writing import write_atomic

_LOG = logger(__name__)

SYNC_SECONDS = 10.0
"""Minimum time between syncs to disk; a killed process loses the rows since the last one."""


class Spool:
    """Arrays of ``count`` rows each in one folder."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count
        self.done = 0
        self._names: list[str] = []
        self._files: dict[str, BinaryIO] = {}
        self._hashes: dict[str, Any] = {}
        self._damaged = ""
        self._synced = time.monotonic()
        self._lock: ProcessLock | None = None
        self._scratch: Scratch | None = None
        self._resume()

    @classmethod
    def at(cls, folder: Path, count: int) -> Spool:
        """Open a spool in a cache folder, or in a temporary one if that can't be written or another process uses it."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            spool = cls(folder, count)
            if spool.complete:
                return spool
            lock = ProcessLock(folder / ".lock")
            if lock.acquire() and excludes(lock.path):
                spool._lock = lock
                spool._resume()
                spool._forget_damaged()
                return spool
        except OSError:
            pass
        return cls.temporary(count)

    @classmethod
    def owned(cls, folder: Path, count: int) -> Spool:
        """Open a spool in a folder that the caller alone uses; raises DataError if that can't be written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"features can't be kept in {folder}: {error.strerror or error}; make room there"
            ) from error
        spool = cls(folder, count)
        spool._forget_damaged()
        return spool

    @classmethod
    def temporary(cls, count: int) -> Spool:
        """Open a spool in a folder of its own, which is removed with it."""
        scratch = Scratch()
        spool = cls(scratch.path, count)
        spool._scratch = scratch
        return spool

    @property
    def complete(self) -> bool:
        """Whether all rows are written."""
        return self.done == self.count

    def append(self, rows: Mapping[str, NDArray[Any]]) -> None:
        """Write the next rows of each array; the first call determines the arrays. Raises DataError for a full disk."""
        size = len(next(iter(rows.values())))
        if not self.done:
            self._names = list(rows)
        with self._kept():
            for name in self._names:
                values = np.ascontiguousarray(rows[name])
                if name not in self._files:
                    self._files[name] = self._open(name, values)
                self._files[name].write(values.data)
                self._hashes[name].update(values.data)
            self.done += size
            if self.complete:
                self._release()
            elif time.monotonic() - self._synced > SYNC_SECONDS:
                self._sync()

    def restart(self) -> None:
        """Discard all rows."""
        self.done, self._names = 0, []
        self._hashes.clear()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the complete arrays, memory-mapped; raises DataError if they were removed or damaged meanwhile."""
        assert self.complete, f"{self.done} of {self.count} rows are written"
        with self._kept():
            return {name: map_array(self._path(name)) for name in self._names}

    def close(self, *, remove: bool = False) -> None:
        """Close the files; ``remove`` also deletes them."""
        with contextlib.suppress(OSError):  # what was not written through is extracted again
            self._release()
        if remove:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _release(self) -> None:
        """Sync what was written and close the files."""
        try:
            if self._files:
                self._sync()
        finally:
            for file in self._files.values():
                with contextlib.suppress(OSError):  # of a full disk, which has been raised
                    file.close()
            self._files.clear()
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Raise DataError for what the system refuses: the disk is full, or the folder was removed."""
        try:
            yield
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"features can't be kept in {self.folder}: {reason}; make room there or set GENKIT_CACHE to another "
                "folder, for those of parts --spool"
            ) from error

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def _open(self, name: str, values: NDArray[Any]) -> BinaryIO:
        """Open the file of an array at its first missing row, or create it."""
        row = values[:1].nbytes
        file = open(self._path(name), "r+b" if self.done else "w+b")  # noqa: SIM115 - closed with the spool
        description = {
            "descr": np.lib.format.dtype_to_descr(values.dtype),
            "fortran_order": False,
            "shape": (self.count, *values.shape[1:]),
        }
        np.lib.format.write_array_header_1_0(file, description)
        file.seek(self.done * row, os.SEEK_CUR)
        file.truncate()
        file.flush()
        self._hashes[name] = hash_of_part(self._path(name), file.tell())
        return file

    def _sync(self) -> None:
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        hashes = {name: self._hashes[name].hexdigest() for name in self._names}
        facts = {"count": self.count, "done": self.done, "arrays": self._names, "sha256": hashes}
        write_atomic(self.folder / "progress.json", sealed(facts))
        self._synced = time.monotonic()

    def _resume(self) -> None:
        """Resume at the last sync of an earlier process; start anew if its files do not match or are damaged.

        Files of before, without hashes, are taken as they are.
        """
        self.done, self._names, self._damaged = 0, [], ""
        path = self.folder / "progress.json"
        if not path.exists():
            return
        try:
            facts = unsealed(read_file(path), path)
            names, done = [str(name) for name in facts["arrays"]], int(facts["done"])
            if facts["count"] != self.count:
                return
            for name in names:
                path = self._path(name)
                if not self._holds(name, done, facts.get("sha256", {}).get(name, "")):
                    raise Damaged(f"{path} does not have the sha256 that it was written with")
            self.done, self._names = done, names
        except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError) as error:
            self._damaged = str(error) if isinstance(error, Damaged) else f"{path}: {error}"

    def _forget_damaged(self) -> None:
        """Say what is damaged, and remove what may have been computed from it."""
        if self._damaged:
            _LOG.warning("cached features are damaged, and extracted again: %s", self._damaged)
            for derived in self.folder.glob("*.safetensors"):
                derived.unlink(missing_ok=True)

    def _holds(self, name: str, rows: int, sha256: str) -> bool:
        with open_file(self._path(name)) as file:
            shape, _, dtype = read_header(file)
            due = file.tell() + rows * dtype.itemsize * int(np.prod(shape[1:]))
        size = self._path(name).stat().st_size
        fits = shape[0] == self.count and (size == due if rows == self.count else size >= due)
        if not fits or not sha256:
            return fits
        return unchanged(self._path(name), sha256, lambda path: sha256_parts(path, [due])[0])
