"""What the C library does with memory that a model frees: keep it for the next layer, and the next step."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from typing import Any

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of glibc's malloc.h

_KEPT = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1}
"""No block has pages of its own, and the heap's end is not given back."""

_AFTERWARDS = {_MMAP_MAX: 2**16, _MMAP_THRESHOLD: 2**25, _TRIM_THRESHOLD: 2**26}
"""What glibc begins with, and, as it adapts nothing any more, the most that it adapts to."""

_lock = threading.Lock()
_inside = 0


@contextlib.contextmanager
def freed_memory_kept(device: torch.device) -> Iterator[bool]:
    """Within the context, memory that a model on the CPU frees stays; yield whether that could be had.

    glibc gives large blocks and the end of its heap back to the system, and asks for them again for the next layer:
    page faults that take up to a third of the time of training and sampling on the CPU. Of the main thread, that is:
    blocks of other threads have pages of their own. The price is memory, as holes between blocks are kept too. The
    whole process is changed until it leaves the last of such contexts, and then gives back what is free. What the user
    has chosen by the environment stays, as do C libraries that can't be told.
    """
    library = _library() if device.type == "cpu" else None
    if library is None:
        yield False
        return
    _count(library, 1)
    try:
        yield True
    finally:
        _count(library, -1)


def _count(library: Any, step: int) -> None:
    """Count a context that is entered or left; tell the C library of the first and the last."""
    global _inside
    with _lock:
        _inside += step
        if _inside != max(0, step):
            return
        for name, value in (_KEPT if _inside else _AFTERWARDS).items():
            library.mallopt(name, value)
        if not _inside:
            library.malloc_trim(0)


def _renew() -> None:
    """In a forked process, whose other threads are gone: one of them may have held the lock."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def _library() -> Any:
    """Return glibc, or None where it is not, or the user has told it what to do."""
    chosen = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_")
    if any(name in os.environ for name in chosen) or "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", ""):
        return None
    with contextlib.suppress(OSError, TypeError):  # the last on Windows
        library = ctypes.CDLL(None)
        return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    return None
