"""The library's warnings and log messages on stderr: one line each, ``genkit: message``."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from genkit.cli.output import echo
from genkit.errors import GenkitWarning


class _Handler(logging.Handler):
    """Writes to whatever stderr is by then."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        _show(record.getMessage())


def show_messages() -> None:
    """Show the library's messages in this process from now on; a job's process of a benchmark calls this first."""
    other = warnings.showwarning

    def showwarning(message: Warning | str, category: type[Warning], *arguments: Any, **keywords: Any) -> None:
        if issubclass(category, GenkitWarning):
            _show(str(message))
        else:
            other(message, category, *arguments, **keywords)

    warnings.simplefilter("always", GenkitWarning)
    warnings.showwarning = showwarning
    logging.getLogger("genkit").addHandler(_Handler())


@contextlib.contextmanager
def messages_shown() -> Iterator[None]:
    """Show the library's messages for as long as a command runs."""
    logger = logging.getLogger("genkit")
    before = list(logger.handlers)
    try:
        with warnings.catch_warnings():
            show_messages()
            yield
    finally:
        logger.handlers[:] = before


def data_described() -> contextlib.AbstractContextManager[None]:
    """Show the line of what was understood of each data set that is opened meanwhile."""
    return _told_of(logging.getLogger("genkit.data"))


def jobs_described() -> contextlib.AbstractContextManager[None]:
    """Show which jobs of a board run, and where the logs of failed ones are."""
    return _told_of(logging.getLogger("genkit.benchmark"))


@contextlib.contextmanager
def _told_of(logger: logging.Logger) -> Iterator[None]:
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)


def _show(message: str) -> None:
    """Print a message; a stderr that can't take it stops nothing."""
    with contextlib.suppress(OSError):
        echo(f"genkit: {message}", err=True)
