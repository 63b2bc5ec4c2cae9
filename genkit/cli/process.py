"""Signals and streams of the process: Ctrl-C, SIGTERM, SIGHUP and SIGUSR2 stop it, a closed pipe does not crash it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO, cast

from genkit.errors import GenkitError
from genkit.files import guard
from genkit.files.text import coloured, encodable

STOPPED = 130


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM, SIGHUP and SIGUSR2 raise KeyboardInterrupt, unless the parent process arranged otherwise.

    Once a training has stopped by one of them, more of them change nothing: a scheduler and a launcher may both send
    one.
    """
    guard.HEARD.clear()
    defaults = dict.fromkeys(guard.STOPPING, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    main = threading.current_thread() is threading.main_thread()
    replaced = {number: handler for number, handler in defaults.items() if main and signal.getsignal(number) == handler}
    for number in replaced:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, signal.SIG_IGN if guard.HEARD else handler)


def _stop(number: int, frame: types.FrameType | None) -> None:
    """Raise KeyboardInterrupt; during an import, exit at once, as an interrupted import leaves half a module."""
    if guard.heard(number):
        return
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            with contextlib.suppress(OSError):
                os.write(2, b"stopped\n")
            getattr(sys.modules.get("genkit.cli.last_words"), "leave", os._exit)(STOPPED)  # while plugins run
        frame = frame.f_back
    raise KeyboardInterrupt


def quiet_end(code: int) -> None:
    """Let Ctrl-C end the process at once from now on, as Python ends: the work is done, and all is written."""
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(code))


def show_bug(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
    """Print the traceback of a bug, in which names do no harm either: what ``sys.excepthook`` is set to."""
    from genkit.cli.output import echo_lines

    with contextlib.suppress(OSError):
        echo_lines("".join(traceback.format_exception(kind, error, trace)), err=True, nl=False)


@contextlib.contextmanager
def guarded_streams() -> Iterator[None]:
    """Let nothing through that a terminal would obey but colours, and handle a stdout or stderr that can't be written.

    What stderr can't take is dropped: progress messages never stop the work. If the reader of stdout is gone, as with
    ``| head``, the process ends quietly; any other failure, such as a full disk, is a GenkitError.
    """
    with contextlib.ExitStack() as stack:
        if sys.stdout is not None:
            stack.enter_context(contextlib.redirect_stdout(_guarded(sys.stdout, _output_lost)))
        if sys.stderr is not None:
            stack.enter_context(contextlib.redirect_stderr(cast(TextIO, _Stderr(sys.stderr, lambda error: None))))
        yield


def _output_lost(error: OSError) -> None:
    if error.errno == errno.EPIPE:
        raise SystemExit(0)
    raise GenkitError(f"the output can't be written: {error.strerror or error}") from error


def _guarded(stream: TextIO, failed: Callable[[OSError], None]) -> TextIO:
    return cast(TextIO, _Guarded(stream, failed))


class _Guarded:
    """A text stream that calls ``failed`` when a write fails, and at every write after that; else the stream itself.

    What is written passes ``genkit.files.text.coloured``: the commands of plugins and libraries print here too. Only
    ``bare`` has no such guard, for progress bars, which move the cursor.
    """

    def __init__(self, stream: TextIO, failed: Callable[[OSError], None], clean: bool = True) -> None:
        self._stream, self._failed, self._clean = stream, failed, clean
        self._error: OSError | None = None

    @property
    def bare(self) -> TextIO:
        """The stream without the guard of what is written."""
        return cast(TextIO, _Guarded(self._stream, self._failed, clean=False))

    @property
    def copied(self) -> contextlib.AbstractContextManager[TextIO]:
        """This stream on a descriptor of its own, which stays where it is when that of stdout is sent elsewhere."""
        try:
            number = os.dup(self._stream.fileno())
        except (OSError, ValueError, AttributeError):  # in a test, or a stream that is closed
            return contextlib.nullcontext(cast(TextIO, self))
        file = io.TextIOWrapper(open(number, "wb"), encoding=self._stream.encoding, errors=self._stream.errors)  # noqa: SIM115
        return _closing(file, _guarded(file, self._failed))

    def write(self, text: str) -> int:
        """Write as the stream does, with what its encoding lacks as JSON writes it."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        shown = encodable(coloured(text) if self._clean else text, encoding)
        self._try(lambda: self._stream.write(shown))
        return len(text)

    def renew(self, stream: TextIO) -> None:
        """Write to another stream from now on, as this one was closed."""
        self._stream, self._error = stream, None

    def writelines(self, texts: Iterable[str]) -> None:
        """Write one text after the other."""
        for text in texts:
            self.write(text)

    def flush(self) -> None:
        """Flush as the stream does."""
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, act: Callable[[], Any]) -> None:
        if self._error is None:
            try:
                act()
            except OSError as error:
                self._error = error
                # Buffered output goes to /dev/null: the interpreter flushes once more at exit.
                with contextlib.suppress(OSError), open(os.devnull, "wb") as null:
                    os.dup2(null.fileno(), self._stream.fileno())
        if self._error is not None:
            self._failed(self._error)


class _Stderr(_Guarded):
    """Stderr, to which bytes are written as text: nothing else belongs there."""

    @property
    def buffer(self) -> Any:
        """Where bytes go."""
        return _Bytes(self)


class _Bytes(io.RawIOBase):
    def __init__(self, stream: _Guarded) -> None:
        self._to = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._to.write(bytes(data).decode("utf-8", "surrogateescape"))
        return len(data)

    def flush(self) -> None:
        self._to.flush()


@contextlib.contextmanager
def _closing(file: TextIO, stream: TextIO) -> Iterator[TextIO]:
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):  # all was flushed as it was written
            file.close()
