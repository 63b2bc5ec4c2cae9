"""Leases: locks for folders whose file system keeps none, or keeps them within one machine alone.

A lease is a file that its holder touches every few seconds (filelock's SoftFileLease). Another process may take it
after LEASE seconds without a touch, or at once if it sees that the holder, of the same machine, is dead. A holder that
was only asleep then overlaps with the next one: what a lease guards must bear being done twice.

They are used below a folder that says so, by a file MARK: all machines must agree on the kind of a lock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from genkit.files.reading import read_file

if TYPE_CHECKING:
    from filelock import SoftFileLease

LEASE = 30.0
"""Seconds without a touch after which a lease may be taken."""

SKEW = 30.0
"""Seconds by which the clocks of two machines may differ."""

PATIENCE = 0.2
"""Seconds for which ``acquire`` tries: another process that asks ``held`` has the lease for a moment."""

POLL = 0.02
"""Seconds between two tries."""

MARK = ".genkit-leases"


def nothing() -> None:
    """Do nothing."""


class LeaseLock:
    """A lease beside ``path``, whose file is gone when it is released. See ``genkit.files.locks.Lock``.

    If it is lost while it is held, ``lost`` is true from then on, and ``on_lost`` is called within two touches, in a
    thread of its own.
    """

    def __init__(self, path: Path, on_lost: Callable[[], None] = nothing) -> None:
        self.path = path.with_name(f"{path.name}.lease")
        self._lost = False
        self._on_lost = on_lost
        self._lease: SoftFileLease | None = None

    def acquire(self) -> bool:
        """See Lock; takes half a minute if the lease is of another machine's process that seems to be dead."""
        from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

        lease = SoftFileLease(
            self.path, lease_duration=LEASE, on_compromise=lambda how: self._lose(), thread_local=False
        )
        age = self._age()
        patience = PATIENCE if age is None or age < LEASE else LEASE + 1
        try:
            lease.acquire(timeout=patience, poll_interval=POLL)
        except (Timeout, LeaseSettingsMismatch):
            return False
        self._lost, self._lease = False, lease
        return True

    def held(self) -> bool:
        """See Lock; one that was not touched for LEASE + SKEW seconds is held by nobody."""
        from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

        if self._lease is not None:
            return True
        age = self._age()
        if age is None or age > LEASE + SKEW:
            return False
        asking = SoftFileLease(self.path, lease_duration=LEASE)
        try:
            asking.acquire(timeout=0)  # which finds out whether a holder of this machine is alive
        except (Timeout, LeaseSettingsMismatch, OSError):
            return True
        asking.release()
        return False

    def release(self) -> None:
        """See Lock."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            lease.release()

    @property
    def lost(self) -> bool:
        """See Lock; who has slept for long finds out by the file, before it is told."""
        if self._lease is not None and not self._lost:
            try:
                self._lost = str(self._lease.token).encode() not in read_file(self.path)
            except OSError:
                return False  # whoever took it has let it go, or the file system does not answer
        return self._lost

    def _age(self) -> float | None:
        """Return the seconds since the last touch, by this machine's clock; None without a file."""
        try:
            return time.time() - self.path.stat().st_mtime
        except OSError:
            return None

    def _lose(self) -> None:
        self._lost = True
        self._on_lost()


def use_leases(folder: Path, why: str) -> None:
    """Have all locks below a folder be leases from now on, for all machines; OSError passes through."""
    (folder / MARK).write_bytes(f"{why}\n".encode())


def are_leases(path: Path) -> bool:
    """Whether the locks in the folder of ``path`` are leases."""
    return any(os.path.exists(folder / MARK) for folder in path.absolute().parents)
