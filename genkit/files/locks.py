"""Locks that a process holds while it lives: whether one is held says whether its process is alive.

Today's lock is one of the operating system on a file, which is released however its process ends: by SIGKILL, by a
crash or by the machine. The leases of a cluster would be another class with the same three methods.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from filelock import BaseFileLock

try:
    import fcntl
except ImportError:  # Windows: filelock has another lock there
    fcntl = None  # type: ignore[assignment]

PATIENCE = 0.2
"""Seconds for which ``acquire`` tries: another process that asks ``held`` has the lock for a moment."""


class Lock(Protocol):
    """What one process at a time holds, at most until it ends."""

    def acquire(self) -> bool:
        """Take the lock; False if another process, or another lock of this one, holds it."""

    def held(self) -> bool:
        """Whether any living process holds it."""

    def release(self) -> None:
        """Let the lock go; does nothing if it is not held."""


class Held(Exception):
    """Another process holds the lock."""


class ProcessLock:
    """A lock on a file, which stays when the lock is released. See Lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: BaseFileLock | None = None

    def acquire(self) -> bool:
        """See Lock; raises OSError if the file can't be written."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.path, timeout=PATIENCE, poll_interval=0.01)
        try:
            lock.acquire()
        except Timeout:
            return False
        self._lock = lock
        return True

    def held(self) -> bool:
        """See Lock; a file that does not exist or can't be opened is held by nobody."""
        if self._lock is not None:
            return True
        if fcntl is None:
            held = self.path.exists() and not self.acquire()
            self.release()
            return held
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return False

    def release(self) -> None:
        """See Lock."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


@contextlib.contextmanager
def holding(lock: Lock) -> Iterator[None]:
    """Hold a lock; raises Held if another process has it."""
    if not lock.acquire():
        raise Held
    try:
        yield
    finally:
        lock.release()


def take(descriptor: int) -> bool:
    """Lock an open file until it is closed; False if another process has it. Always True without such locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: its files count as abandoned by their age alone
        return True
    return True
