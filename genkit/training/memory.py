"""What the C library does with the memory that a training step frees."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of glibc's malloc.h

_TRAINING = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1}
"""No block has pages of its own, and 2 GiB of freed memory stay: the most that can be said."""

_AFTERWARDS = {_MMAP_MAX: 2**16, _MMAP_THRESHOLD: 2**25, _TRIM_THRESHOLD: 2**26}
"""What glibc begins with, and, as it adapts nothing any more, the most that it adapts to."""


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[bool]:
    """Within the context, memory that a step frees stays for the next; yield whether that could be had.

    glibc gives large blocks and the end of its heap back to the system, and asks for them again in the next step: up to
    hundreds of thousands of page faults, a tenth to a quarter of a step's time on the CPU. The whole process is
    changed, and gives back what is free at the end. What the user has chosen by the environment stays, as do C
    libraries that can't be told.
    """
    mallopt, trim = _functions()
    for name, value in _TRAINING.items():
        mallopt(name, value)
    try:
        yield mallopt is not _nothing
    finally:
        for name, value in _AFTERWARDS.items():
            mallopt(name, value)
        trim(0)


def _functions() -> tuple[Callable[..., object], Callable[..., object]]:
    """Return glibc's ``mallopt`` and ``malloc_trim``, or two that do nothing."""
    chosen = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")
    if not any(name in os.environ for name in chosen):
        with contextlib.suppress(OSError, AttributeError, TypeError):  # the last on Windows
            library = ctypes.CDLL(None)
            return library.mallopt, library.malloc_trim
    return _nothing, _nothing


def _nothing(*_: int) -> None:
    pass
