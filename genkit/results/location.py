"""What a location of stores is: the files below a folder or URL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from genkit.errors import GenkitError

Content = bytes | str
"""The content of a file as bytes, or as text the reason why it can't be read."""


FOLDER = 64 << 20
"""Bytes after which no more files of a folder are read."""

FULL = f"the files of its folder have more than {FOLDER:,} bytes: remove those that do not belong there"
"""The reason for those that are then not read."""


class RecordFile(NamedTuple):
    """A record's file: the folder that holds its ``records`` folder, the file's name, full path and content."""

    folder: str
    name: str
    path: str
    data: Content


class Location(Protocol):
    """The files below a folder or URL, named by relative paths with slashes. All methods raise GenkitError."""

    def records(self) -> Iterator[RecordFile]:
        """Yield every ``**/records/*.json`` in any order."""

    def files(self, folder: str) -> dict[str, Content]:
        """Return the regular files of a folder by name; empty if there is no such folder.

        Of more than ``FOLDER`` bytes, the last by name are not read, which is given as their reason.
        """

    def write(self, path: str, data: bytes) -> str:
        """Write a file atomically and return its full path."""

    def write_folder(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Write the files of a folder, at once where a folder can be renamed; it may hold them already."""

    def record_names(self) -> list[str]:
        """Return the names of the records here, and if this is a run, of all runs; as far as they can be listed."""

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with its files."""

    def ready(self, folder: str) -> None:
        """Raise if files can't be written to a folder."""


def is_document(name: str) -> bool:
    """Whether a file name is that of a complete JSON document; unfinished ones begin with a dot."""
    return name.endswith(".json") and not name.startswith(".")


@contextlib.contextmanager
def sentence(complaint: str) -> Iterator[None]:
    """Turn any error into one sentence; the drivers of fsspec share no base class of errors."""
    try:
        yield
    except Exception as error:
        raise GenkitError(f"{complaint}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
