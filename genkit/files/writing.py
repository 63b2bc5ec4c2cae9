"""Atomic writes: readers see the old content or the new, whenever the writer dies. Modes obey the umask."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from genkit.files.temporaries import mode_of_files, temporary_file, temporary_folder


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file atomically, by a temporary name, sync and rename: readers see the old content or the new."""
    write_together({path: data})


def write_together(files: Mapping[Path, bytes]) -> None:
    """Replace files that belong together: all are written and synced before the first is renamed."""
    with contextlib.ExitStack() as stack:
        written = []
        for path, data in files.items():
            temporary = stack.enter_context(temporary_file(path))
            with temporary.open("r+b") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            written.append((temporary, path))
        for temporary, path in written:
            os.replace(temporary, path)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a file to be written, which then replaces ``path`` atomically; OSError passes through.

    It is for files that others write, who may use temporaries and modes of their own.
    """
    with temporary_folder(path) as folder:
        temporary = folder / "file"
        yield temporary
        temporary.chmod(mode_of_files(folder))
        sync(temporary)
        os.replace(temporary, path)


@contextlib.contextmanager
def publishing(folder: Path) -> Iterator[Path]:
    """Give an empty folder to be filled, which then becomes ``folder`` by one rename.

    Raises OSError if ``folder`` then has files.
    """
    with temporary_folder(folder) as temporary:
        yield temporary
        os.rename(temporary, folder)


def sync(path: Path) -> None:
    """Write a file, or a folder's names, through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
