"""File systems without locks that hold: flock as it is there."""

from __future__ import annotations

import errno


def without_locks(monkeypatch, kind):
    """Let flock give a lock to everyone, or fail as on a file system that has none."""

    def for_show(*_):
        return None

    def missing(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", {"for show": for_show, "missing": missing}[kind])
