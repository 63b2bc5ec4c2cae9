"""Temporary files and folders. Each is locked by the process that fills it, so that those of dead ones can be removed.

They are called ``.NAME.genkit-HOST-RANDOM.part``, where HOST is a hash of this machine's name. A folder is locked by
the file ``.lock`` in it. Of this machine, what is not locked is removed. Of other machines, whose locks may not be seen
from here, and of folders without a lock it must be a day old, too.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import socket
import stat
import tempfile
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

from genkit.files.locks import excludes, take

ABANDONED = 24 * 3600.0
"""Seconds after which a temporary of another machine, or one that has no lock, counts as abandoned."""

OLD = re.compile(r"tmp-[a-z0-9_]{8}|\.import-[a-z0-9_]{8}|\..+\.([a-z0-9_]{8}|\d+\.part)")
"""Temporaries of older versions, which have no lock. A user's ``.thesis.research`` has such a name too, so they are
only looked for in the folders of ``folders.CACHED``, never in the system's folder for temporary files.
"""

_NAME = re.compile(r"\..*\.genkit-([0-9a-f]{8})-[0-9a-f]{8}\.part", re.DOTALL)
_LOCK = ".lock"
_LONGEST = 40
"""Characters of a file's name in that of its temporary, which may be longer than the file system takes."""

_swept: set[tuple[Path, re.Pattern[str] | None]] = set()


@functools.cache
def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _name(path: Path) -> Path:
    return path.with_name(f".{path.name[:_LONGEST]}.genkit-{_host()}-{os.urandom(4).hex()}.part")


def _locked(path: Path, mode: int = 0o666) -> int:
    """Create a file and lock it; return its descriptor, or -1 if it was swept before it was locked."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: its files are abandoned by their age alone
            if not take(descriptor):
                os.close(descriptor)
                return -1
        if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return -1


@contextlib.contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Make an empty file next to ``path``, to be renamed to it; it is removed at the end if it was not.

    Its mode obeys the umask. Temporaries of dead processes in the folder are removed first. OSError passes through.
    """
    sweep_once(path.parent)
    descriptor = -1
    while descriptor < 0:
        temporary = _name(path)
        descriptor = _locked(temporary)
    try:
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        os.close(descriptor)


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Make an empty folder, to be renamed to ``path``, within a temporary one next to it; both are removed at the end.

    See ``temporary_file``.
    """
    sweep_once(path.parent)
    outer, descriptor = _folder(path)
    try:
        inner = outer / "new"
        inner.mkdir()
        yield inner
    finally:
        shutil.rmtree(outer, ignore_errors=True)
        os.close(descriptor)


def mode_of_files(folder: Path) -> int:
    """Return the mode that the umask gave to the lock of a ``temporary_folder``; the umask itself is not to be read."""
    return stat.S_IMODE((folder.parent / _LOCK).stat().st_mode)


class Scratch:
    """A folder of this process in the system's folder for temporary files, readable by its user alone.

    It is removed at the end of the context, by ``cleanup``, or with the object. Those of dead processes are removed
    first.
    """

    def __init__(self) -> None:
        root = Path(tempfile.gettempdir())
        sweep_once(root)
        self.path, descriptor = _folder(root / "scratch", 0o700)
        self.cleanup = weakref.finalize(self, _remove, self.path, descriptor, os.getpid())

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.cleanup()


def _remove(path: Path, descriptor: int, owner: int) -> None:
    if os.getpid() == owner:  # a forked process has a copy of the object
        shutil.rmtree(path, ignore_errors=True)
    os.close(descriptor)


def _folder(path: Path, mode: int = 0o777) -> tuple[Path, int]:
    while True:
        outer = _name(path)
        outer.mkdir(mode)
        descriptor = -1
        with contextlib.suppress(FileNotFoundError):
            descriptor = _locked(outer / _LOCK)
        if descriptor >= 0:
            return outer, descriptor


def clear(folder: Path) -> None:
    """Remove all temporaries in a folder in which no other process works, as the caller's own lock says."""
    for path in folder.glob(".*.part"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sweep_once(folder: Path, old: re.Pattern[str] | None = None) -> None:
    """Sweep a folder unless this process has done so: a folder of many files takes a while to list."""
    folder = folder.absolute()
    if (folder, old) not in _swept:
        _swept.add((folder, old))
        sweep(folder, old)


def sweep(folder: Path, old: re.Pattern[str] | None = None) -> int:
    """Remove the temporaries in a folder whose process is dead, of this user; return their bytes.

    ``old``: names of temporaries of older versions, removed a day after their last change.
    """
    freed = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in list(entries):
            known = _NAME.fullmatch(entry.name)
            if known or (old is not None and old.fullmatch(entry.name)):
                with contextlib.suppress(OSError):
                    freed += _removed(Path(entry.path), known is not None and known[1] == _host())
    return freed


def sweep_below(root: Path) -> int:
    """Sweep a folder that is genkit's alone, and all folders in it; return the bytes that were freed."""
    return sum(sweep(Path(folder), OLD) for folder, _, _ in os.walk(root))


def _removed(path: Path, here: bool) -> int:
    """Remove a temporary unless its process lives, or may live; return its bytes."""
    facts = path.lstat()
    if not (stat.S_ISDIR(facts.st_mode) or stat.S_ISREG(facts.st_mode)):
        return 0
    if hasattr(os, "geteuid") and facts.st_uid != os.geteuid():
        return 0
    is_folder = stat.S_ISDIR(facts.st_mode)
    files = [each.lstat() for each in (path, *path.rglob("*"))] if is_folder else [facts]
    lock = path / _LOCK if is_folder else path
    fresh = time.time() - max(each.st_mtime for each in files) < ABANDONED
    if fresh and not (here and lock.exists()):
        return 0
    descriptor = -1
    with contextlib.suppress(FileNotFoundError):
        flags = os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(lock, flags)
    try:
        try:
            if descriptor >= 0 and not take(descriptor):
                return 0
            if fresh and descriptor >= 0 and not excludes(lock):  # locks for show: its process may live
                return 0
        except OSError:
            if fresh:
                return 0
        if is_folder:
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return sum(each.st_size for each in files)
