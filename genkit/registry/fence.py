"""The fence around code of plugins: what it prints goes to stderr, what hangs or would end the process is named."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TextIO, cast

from genkit.errors import PluginError
from genkit.files.text import logger
from genkit.registry.settings import settings_kept

_LOG = logger(__name__)

PATIENCE = 5.0
"""Seconds after which what runs at every start is named, while it still does."""

LONG = 30.0
"""Seconds after which a metric, an extractor or a data set is, which may have much to do."""

HANGS = "%s takes more than %g s: GENKIT_PLUGINS can leave it out"


class Exit(BaseException):
    """Raised in a plugin that would end the process."""


tell: Callable[[str], bool] | None = None
"""Is told what begins to run, and "" when nothing does; the command line then knows what ended the process.

Returns whether it also names what still runs after PATIENCE seconds.
"""


@contextlib.contextmanager
def fenced(what: str = "", patience: float | None = None) -> Iterator[None]:
    """Run code of a plugin; raises PluginError if it would end the process, or closes a stream.

    ``what``, such as "the import of plugin 'x'", is named after ``patience`` seconds, by default PATIENCE, while it
    still runs; never if it is empty. Settings of the process are put back at the end. Several threads may be inside at
    a time: none waits for the code of another.
    """
    with contextlib.ExitStack() as stack:
        if what:
            named = stack.enter_context(_told(what))
            if not named or patience is not None:
                stack.enter_context(_named_while_it_hangs(what, PATIENCE if patience is None else patience))
        done = stack.enter_context(_inside())
        try:
            yield
        except Exit as error:
            raise PluginError(str(error)) from error
        stack.close()
        if done:
            raise PluginError(" and ".join(done))


def fence_of(module: str, what: str = "") -> contextlib.AbstractContextManager[None]:
    """Return the fence for code of a module: none for genkit's own. ``what`` is named once it takes LONG."""
    return contextlib.nullcontext() if module.partition(".")[0] == "genkit" else fenced(what, LONG)


@contextlib.contextmanager
def _told(what: str) -> Iterator[bool]:
    """Tell what runs, and give whether it is named while it hangs."""
    if (telling := tell) is None:
        yield False
        return
    _running.append(what)
    named = telling(what)
    try:
        yield named
    finally:
        _running.remove(what)
        telling(_running[-1] if _running else "")


_running: list[str] = []


class _Shared:
    """What is set up by the first to come in, and taken down by the last to leave: it is the whole process's."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.before: list[str] = []
        self.streams: _Streams
        self.exits = contextlib.ExitStack()

    def enter(self) -> None:
        with self.lock:
            if not self.inside:
                self.exits.enter_context(no_exit())
                self.exits.enter_context(settings_kept())
                self.streams = _Streams()
            self.before += self.streams.mended()  # by what is around this
            self.inside += 1

    def leave(self) -> list[str]:
        """Return which streams were closed meanwhile; they are open again."""
        with self.lock:
            self.inside -= 1
            done = self.streams.mended()
            if not self.inside:
                done, self.before = [*self.before, *done], []
                self.streams.restore()
                self.exits.close()
            return done


_shared = _Shared()


@contextlib.contextmanager
def _inside() -> Iterator[list[str]]:
    done: list[str] = []
    _shared.enter()
    try:
        yield done
    finally:
        done += _shared.leave()


@contextlib.contextmanager
def _named_while_it_hangs(what: str, patience: float) -> Iterator[None]:
    timer = threading.Timer(patience, lambda: _LOG.warning("%s", HANGS % (what, patience)))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def no_exit() -> Iterator[None]:
    """Let what ends a process at once raise Exit instead, but in processes that the code itself has forked."""
    places = [(module, name) for module in (os, sys.modules.get(os.name)) for name in _EXITS if hasattr(module, name)]
    before = [getattr(module, name) for module, name in places]
    try:
        for (module, name), real in zip(places, before, strict=True):
            setattr(module, name, _refusal(name, real, os.getpid()))
        yield
    finally:
        for (module, name), real in zip(places, before, strict=True):
            setattr(module, name, real)


_EXITS = ("_exit", "abort", "execv", "execve")


def _refusal(name: str, real: Callable[..., NoReturn], process: int) -> Callable[..., NoReturn]:
    def refuse(*arguments: Any, **keywords: Any) -> NoReturn:
        if os.getpid() != process:
            real(*arguments, **keywords)
        raise Exit(f"it calls os.{name}, which would end genkit")

    return refuse


@contextlib.contextmanager
def set_aside() -> Iterator[None]:
    """Send to stderr what is printed, written to the descriptor of stdout, and printed by other processes.

    At the end, streams that were closed meanwhile are opened again.
    """
    streams = _Streams()
    try:
        yield
    finally:
        streams.mended()
        streams.restore()


class _Streams:
    """stdout and stderr as they were, while stdout is set aside."""

    def __init__(self) -> None:
        self.out, self.err = sys.stdout, sys.stderr
        self.aside = _Aside(self.err)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self.out.flush()
        self.kept = {number: copy for number in (1, 2) if (copy := _copy(number)) is not None}
        self.files = {number: known(copy) for number, copy in self.kept.items()}
        self._divert()

    def _divert(self) -> None:
        if 1 in self.kept:
            with contextlib.ExitStack() as stack:
                devnull = None if 2 in self.kept else stack.enter_context(open(os.devnull, "wb"))
                os.dup2(self.kept[2] if devnull is None else devnull.fileno(), 1)
        sys.stdout = cast(TextIO, self.aside)

    def mended(self) -> list[str]:
        """Open again what was closed since, and return what that was."""
        done, names = [], {1: "stdout", 2: "stderr"}
        for number, copy in list(self.kept.items()):
            stream = (self.out, self.err)[number - 1]
            if not _is_open(number) or (number == 1 and self.aside.shut) or getattr(stream, "closed", False):
                done.append(f"it closes {names[number]}")
            if not (_is_open(copy) and known(copy) == self.files[number]):
                done.append("it closes all files")
                del self.kept[number]
            elif number == 2:
                os.dup2(copy, 2)
        if done:
            self._divert()
        self.out, self.err = _usable(self.out, 1), _usable(self.err, 2)
        self.aside.renew(self.err)
        return done

    def restore(self) -> None:
        """Put back stdout and stderr."""
        for number, copy in self.kept.items():
            os.dup2(copy, number)
            os.close(copy)
        sys.stdout, sys.stderr = self.out, self.err


def _copy(number: int) -> int | None:
    try:
        return os.dup(number)
    except OSError:
        return None


def known(number: int) -> tuple[int, int]:
    """Return what tells the file of a descriptor from others."""
    found = os.fstat(number)
    return found.st_dev, found.st_ino


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _usable(stream: TextIO, number: int) -> TextIO:
    """Return a stream, or a new one on its descriptor if it was closed."""
    if not getattr(stream, "closed", False) or not _is_open(number):
        return stream
    file = open(number, "wb", closefd=False)  # noqa: SIM115 - a standard stream
    new = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", line_buffering=True)
    renew = getattr(stream, "renew", None)
    if renew is None:
        return new
    renew(new)
    return stream


class _Aside(io.TextIOBase):
    """What stands in for stdout: all of it goes to stderr, and closing it closes nothing."""

    def __init__(self, err: TextIO) -> None:
        super().__init__()
        self._err, self.shut = err, False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of stderr."""
        return getattr(self._err, "encoding", None) or "utf-8"

    @property
    def buffer(self) -> Any:
        """Where bytes go."""
        return self._err.buffer

    def write(self, text: str) -> int:
        """Write to stderr."""
        if self._err is not None:
            self._err.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush stderr."""
        if self._err is not None:
            self._err.flush()

    def renew(self, err: TextIO) -> None:
        """Be open again, and write to this."""
        self._err, self.shut = err, False

    def fileno(self) -> int:
        """The descriptor of stderr."""
        return 2

    def writable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Only note it."""
        self.shut = True
