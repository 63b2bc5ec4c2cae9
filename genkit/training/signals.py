"""Ctrl-C, SIGTERM, SIGHUP and SIGUSR2 during training: the step is finished, and only a second Ctrl-C stops at once."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from genkit.files.guard import HEARD, STOPPING


class StopSignal:
    """``received`` is set by the first of these signals while listening.

    Two Ctrl-C within ``patience`` seconds count as one.
    """

    def __init__(self, patience: float = 0.0) -> None:
        self.received = False
        self._patience = patience

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Catch the signals, and restore the former handlers at the end, or at a second Ctrl-C, which they get.

        Signals that are ignored stay so, and SIGUSR2 stays with whoever else handles it. Only the main thread receives
        signals; in other threads this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in STOPPING}
        before = {number: handler for number, handler in handlers.items() if _free(number, handler)}
        interrupted: list[float] = []

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def receive(number: int, frame: FrameType | None) -> None:
            self.received = True
            HEARD.setdefault(number, time.monotonic())
            if number == signal.SIGINT:
                interrupted.append(time.monotonic())
                if len(interrupted) > 1 and interrupted[-1] - interrupted[0] >= self._patience:
                    restore()
                    HEARD.clear()
                    former: Any = before[number]
                    if not callable(former):
                        signal.raise_signal(number)
                    else:
                        former(number, frame)

        for number in before:
            signal.signal(number, receive)
        try:
            yield
        finally:
            restore()


def _free(number: int, handler: Any) -> bool:
    """Whether a signal may be caught, given who handles it."""
    if handler in (signal.SIG_IGN, None):
        return False
    own = str(getattr(handler, "__module__", "")).partition(".")[0] == "genkit"
    return own or handler == signal.SIG_DFL or number != getattr(signal, "SIGUSR2", None)
