"""Images in a folder, read in place."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from genkit.data.listed import Listed
from genkit.data.pieces import Piece
from genkit.data.source import DatasetRequest, Source, file_stamp, unreadable
from genkit.data.texts import Texts
from genkit.data.tree import Tree, TreeSource
from genkit.errors import DataError, GenkitError


class FolderTree(Tree):
    """All regular files below a folder; links are followed, except those to a folder above, which ``notes`` name.

    Pipes, sockets and devices are not read, as that may never end; ``notes`` name them. Broken links are listed and
    reported as bad.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)
        self._names: Texts | None = None
        self._upwards: list[str] = []
        self._special: list[str] = []
        if root.exists() and not root.is_dir():
            raise DataError(f"{root} is a file, not a folder of images: a zip is read as zip:{root}")

    def key(self) -> Any:
        """Return each file's name, size, times and inode."""
        names, root = self.names(), str(self.root)
        files = Listed(lambda: ([name, *_stamp(f"{root}/{name}")] for name in sorted(names)))
        return [str(self.root.resolve()), files, *self._upwards]

    def names(self) -> Sequence[str]:
        """Return all files' relative names, in order; raises MissingError or DataError if one can't be listed."""
        if self._names is None:
            self._names = Texts(self._walk())
        return self._names

    def piece(self, place: int) -> Piece:
        """Return one file."""
        name = self.full_name(place)
        return Piece(name, path=name, limit=self.limit)

    def full_name(self, place: int) -> str:
        """Return the file's path."""
        return str(self.root / self.names()[place])

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
        """Yield the files' names in the order of their parts; folders may be nested as deep as the system allows."""
        above: list[tuple[int, int]] = []
        listings = [iter(self._listing(self.root, "", above))]
        while listings:
            prefix, name, is_folder = next(listings[-1], ("", "", False))
            if not name:
                listings.pop()
                above.pop()
            elif is_folder:
                listings.append(iter(self._listing(self.root / prefix / name, f"{prefix}{name}/", above)))
            else:
                yield prefix + name

    def _listing(self, folder: Path, prefix: str, above: list[tuple[int, int]]) -> Iterator[tuple[str, str, bool]]:
        """Return the files and folders in a folder, sorted; it is added to those above unless it is one of them."""
        files: list[str] = []
        folders: set[str] = set()
        special: list[str] = []
        upwards: list[str] = []
        try:
            status = os.stat(folder)
            known = (status.st_dev, status.st_ino) in above
            above.append((status.st_dev, status.st_ino))
            if known:
                return iter(())
            with os.scandir(folder) as listing:
                for entry in listing:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        if entry.is_symlink() and self.root.resolve().is_relative_to(Path(entry.path).resolve()):
                            upwards.append(prefix + entry.name)
                        else:
                            folders.add(entry.name)
                            files.append(entry.name)
                    elif entry.is_file() or not os.path.exists(entry.path):
                        files.append(entry.name)
                    else:
                        special.append(prefix + entry.name)
        except OSError as error:
            raise unreadable(folder, error) from error
        self._upwards = sorted([*self._upwards, *upwards], key=_as_listed)
        self._special = sorted([*self._special, *special], key=_as_listed)
        files.sort()
        return ((prefix, name, name in folders) for name in files)


def _as_listed(name: str) -> tuple[list[list[int]], str]:
    """Return the key of an order in which a folder comes before the folders in it, and these in reverse order.

    It is that in which folders were once walked, and so that of links in the keys of packed data sets.
    """
    return [[*(-ord(letter) for letter in part), 1] for part in name.split("/")[:-1]], name


def _stamp(path: str) -> list[int]:
    """Return a file's stamp, empty if it can't be read: opening it gives the reason."""
    try:
        return file_stamp(path)
    except GenkitError:
        return []


def folder(request: DatasetRequest) -> Source:
    """Return the source of ``folder:PATH``."""
    return TreeSource(FolderTree(Path(request.argument).expanduser()), request)
