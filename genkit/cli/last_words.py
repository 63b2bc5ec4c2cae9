"""Last words: a plugin that ends the process from C code or by a signal, where nothing can be caught, is named.

A process forked for it waits while plugins are loaded, about a tenth of a second, and is told what runs. It also names
a plugin that hangs, even in C code that lets no other thread of Python run.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from genkit.cli.output import echo
from genkit.files.guard import STOPPING
from genkit.registry import fence

_LEAVE = os._exit
"""As it is before code of plugins runs, which can't call it."""

_END = b"\0"


class _Witness:
    """The pipe to the forked process, once there is one."""

    def __init__(self) -> None:
        self._pipe: BinaryIO | None = None
        self._file = (0, 0)

    def tell(self, what: str) -> bool:
        """Say what runs now, an empty text if nothing does; return whether there is a process that is told."""
        if self._pipe is None and what and _alone():
            self._fork()
        self._write(what.encode(errors="backslashreplace").replace(b"\n", b" ") + b"\n")
        return self._pipe is not None

    def close(self) -> None:
        """Let the process end."""
        self._write(_END)
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                self._pipe.close()
        self._pipe = None

    def _write(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # a plugin has closed it, or it is another file by now
            if self._pipe is not None and fence.known(self._pipe.fileno()) == self._file:
                self._pipe.write(line)

    def _fork(self) -> None:
        """Fork twice: the second process is no child of this one, so that nothing here ever waits for it."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if os.fork() == 0:
                    os.close(writing)
                    _wait(reading)
            finally:
                _LEAVE(0)
        os.waitpid(child, 0)
        os.close(reading)
        self._pipe, self._file = open(writing, "wb", buffering=0), fence.known(writing)  # noqa: SIM115 - until close


def _wait(pipe: int) -> None:
    """In the forked process: read what runs until that ends, or the other process does."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    told, running = b"", ""
    while True:
        if running and not select.select([pipe], [], [], fence.PATIENCE)[0]:
            echo(f"genkit: {fence.HANGS % (running, fence.PATIENCE)}", err=True)
        part = os.read(pipe, 4096)
        if not part:
            break
        told = (told + part)[-4096:]
        if told.endswith(_END):
            return
        if b"\n" in told:
            running = told.split(b"\n")[-2].decode(errors="replace")
    if running:
        words = f"genkit: the process ended, or lost its open files, during {running}"
        echo(f"{words}: GENKIT_PLUGINS can leave it out", err=True)


def _alone() -> bool:
    """Whether this process may be forked: it has no other threads, as those of torch."""
    return hasattr(os, "fork") and threading.active_count() == 1 and "torch" not in sys.modules


_WITNESS = _Witness()


@contextlib.contextmanager
def last_words() -> Iterator[None]:
    """Have what is fenced named, should the process end in it."""
    before, fence.tell = fence.tell, _WITNESS.tell
    try:
        yield
    finally:
        fence.tell = before
        _WITNESS.close()


def leave(code: int) -> NoReturn:
    """End the process at once, without last words."""
    _WITNESS.tell("")
    _LEAVE(code)
