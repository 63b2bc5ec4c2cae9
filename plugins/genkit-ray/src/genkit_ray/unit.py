"""What a task of Ray calls, in a worker process that may do several tasks, one after the other."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

from genkit.benchmark.engine import Task, prepared


def run(task: Task, prepare: Callable[[], None], log: str, folder: str) -> str:
    """Do a task in a folder, with all that it prints in a log, unless this machine does not see them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with contextlib.ExitStack() as stack:
        if os.path.isdir(folder):
            stack.enter_context(contextlib.chdir(folder))
        if os.path.isdir(os.path.dirname(log)):
            stack.enter_context(_printing_to(log))
        prepared(prepare)
        return task()


@contextlib.contextmanager
def _printing_to(log: str) -> Iterator[None]:
    """Append to a file what this process prints, also from C code."""
    before = [os.dup(number) for number in (1, 2)]
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        _point(file, file)
        yield
    finally:
        _point(*before)
        for each in (file, *before):
            os.close(each)


def _point(out: int, err: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(out, 1)
    os.dup2(err, 2)
