"""Locks that a process holds while it lives: whether one is held says whether its process is alive.

A lock is one of the operating system on a file, which is released however its process ends: by SIGKILL, by a crash or
by the machine. Below a folder whose file system keeps no such locks it is a lease instead (genkit.files.leases);
``lock_at`` chooses.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from genkit.files.leases import LEASE, LeaseLock, are_leases, nothing
from genkit.files.text import logger

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None  # type: ignore[assignment]

PATIENCE = 0.2
"""Seconds for which ``acquire`` tries: another process that asks ``held`` has the lock for a moment."""

LONG = 5.0
"""Seconds after which ``waiting`` says that it waits."""

_LOG = logger(__name__)


class Lock(Protocol):
    """What one process at a time holds, at most until it ends."""

    def acquire(self) -> bool:
        """Take the lock; False if another process, or another lock of this one, holds it."""

    def held(self) -> bool:
        """Whether any living process holds it."""

    def release(self) -> None:
        """Let the lock go; does nothing if it is not held."""

    @property
    def lost(self) -> bool:
        """Whether it went to another process while it was held here, as only a lease does."""


class Held(Exception):
    """Another process holds the lock."""


class ProcessLock:
    """A lock on a file, which stays when the lock is released and obeys the umask. See Lock.

    A forked process has no part in the locks of its parent: it neither keeps nor releases them.
    """

    lost = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        """See Lock; raises OSError if the file can't be written or the file system has no locks."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        until = time.monotonic() + PATIENCE
        try:
            while not take(descriptor):
                if time.monotonic() > until:
                    os.close(descriptor)
                    return False
                time.sleep(0.01)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _held.add(self)
        return True

    def held(self) -> bool:
        """See Lock; a file that does not exist or can't be opened is held by nobody."""
        if self in _held:
            return True
        try:
            descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return False
        try:
            return not take(descriptor, shared=True)
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """See Lock."""
        if self in _held:
            _held.remove(self)
            if fcntl is not None:  # a child that was forked this moment may not have closed its copy yet
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
        self._descriptor = -1


_held: set[ProcessLock] = set()
"""The locks that this process holds; by their descriptors a child would take them for its own of the same numbers."""


def _leave_to_the_parent() -> None:
    for lock in _held:
        os.close(lock._descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)


def lock_at(path: Path, on_lost: Callable[[], None] = nothing) -> Lock:
    """Return the lock of a file: a lease where its folder has those; ``on_lost`` is called if that is lost."""
    return LeaseLock(path, on_lost) if are_leases(path) else ProcessLock(path)


@contextlib.contextmanager
def holding(lock: Lock) -> Iterator[None]:
    """Hold a lock; raises Held if another process has it."""
    if not lock.acquire():
        raise Held
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def waiting(path: Path, work: str) -> Iterator[None]:
    """Hold the lock of a file, waiting while another process has it; says so once that takes long.

    ``work`` is what whoever has it does: "trains digits-cnn". OSError passes through.
    """
    from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

    lock: BaseFileLock = FileLock(path)
    if are_leases(path):
        lock = SoftFileLease(path.with_name(f"{path.name}.lease"), lease_duration=LEASE)
    try:
        lock.acquire(timeout=LONG)
    except Timeout:
        _LOG.warning("waiting while another process %s, as its lock %s says: stop that one if it hangs", work, path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def take(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file until it is closed; False if another process has it, OSError without such locks.

    A ``shared`` lock, which needs no right to write, only goes with other shared ones.
    """
    try:
        if fcntl is None:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def excludes(path: Path) -> bool:
    """Whether the lock that this process holds on a file keeps others out; OSError passes through.

    On some file systems locks are for show alone, and everyone is given one.
    """
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    try:
        return not take(descriptor)
    finally:
        os.close(descriptor)
