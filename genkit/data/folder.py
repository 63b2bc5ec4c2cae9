"""Images in a folder, read in place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from genkit.data.source import DatasetRequest, Source, file_stamp, unreadable
from genkit.data.tree import Tree, TreeSource
from genkit.errors import DataError, GenkitError
from genkit.files.reading import open_file


class FolderTree(Tree):
    """All regular files below a folder; links are followed, except those to a folder above, which ``notes`` name.

    Pipes, sockets and devices are not read, as that may never end; ``notes`` name them. Broken links are listed and
    reported as bad.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)
        self._names: list[str] | None = None
        self._upwards: list[str] = []
        self._special: list[str] = []
        if root.exists() and not root.is_dir():
            raise DataError(f"{root} is a file, not a folder of images: a zip is read as zip:{root}")

    def key(self) -> Any:
        """Return each file's name, size, times and inode."""
        files = [[name, *_stamp(self.root / name)] for name in sorted(self.names())]
        return [str(self.root.resolve()), files, *self._upwards]

    def names(self) -> list[str]:
        """Return all files' relative names; raises MissingError or DataError for a folder that can't be listed."""
        if self._names is None:
            self._names = list(self._walk())
        return self._names

    def open(self, name: str) -> BinaryIO:
        """Open one file; raises DataError if the system refuses."""
        try:
            return open_file(self.root / name, self.limit)
        except OSError as error:
            raise DataError(f"{self.full_name(name)} can't be read: {error.strerror or error}") from error

    def full_name(self, name: str) -> str:
        """Return the file's path."""
        return str(self.root / name)

    def notes(self) -> list[str]:
        """Return sentences on links to folders above, which are not followed, and on what is no file."""
        found = []
        if self._upwards:
            found.append(f"the link {self._upwards[0]} leads to a folder above and is not followed")
        if self._special:
            more = f", and {len(self._special) - 1:,} more" if self._special[1:] else ""
            found.append(f"not read: {self._special[0]}, which is a pipe, a socket or a device{more}")
        return found

    def _walk(self) -> Iterator[str]:
        """Yield the files' names, folder by folder; folders may be nested as deep as the system allows."""
        waiting: list[tuple[Path, str, tuple[tuple[int, int], ...]]] = [(self.root, "", ())]
        while waiting:
            folder, prefix, above = waiting.pop()
            try:
                status = os.stat(folder)
                if (status.st_dev, status.st_ino) in above:
                    continue
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        if entry.is_symlink() and self.root.resolve().is_relative_to(Path(entry.path).resolve()):
                            self._upwards.append(prefix + entry.name)
                            continue
                        inner = (*above, (status.st_dev, status.st_ino))
                        waiting.append((Path(entry.path), f"{prefix}{entry.name}/", inner))
                    elif entry.is_file() or not os.path.exists(entry.path):
                        yield prefix + entry.name
                    else:
                        self._special.append(prefix + entry.name)
            except OSError as error:
                raise unreadable(folder, error) from error


def _stamp(path: Path) -> list[int]:
    """Return a file's stamp, empty if it can't be read: opening it gives the reason."""
    try:
        return file_stamp(path)
    except GenkitError:
        return []


def folder(request: DatasetRequest) -> Source:
    """Return the source of ``folder:PATH``."""
    return TreeSource(FolderTree(Path(request.argument).expanduser()), request)
