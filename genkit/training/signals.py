"""Ctrl-C, SIGTERM and SIGHUP during training: the first one lets the step finish, the second one stops at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from genkit.files.guard import STOPPING


class StopSignal:
    """``received`` is set by the first Ctrl-C, SIGTERM or SIGHUP while listening."""

    def __init__(self) -> None:
        self.received = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Catch the first signal and restore the former handlers for the second; signals that are ignored stay so.

        Only the main thread receives signals; in other threads this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in STOPPING}
        before = {number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def receive(_number: int, _frame: Any) -> None:
            self.received = True
            restore()

        for number in before:
            signal.signal(number, receive)
        try:
            yield
        finally:
            restore()
