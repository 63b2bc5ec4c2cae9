"""The processes of submitit's local executor: one that controls a job, and its tasks, which it hands SIGTERM."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import submitit

AGAIN = 5.0
"""Seconds after which SIGTERM is sent again: a task that has just begun does not hear it."""

PATIENCE = 60.0
"""Seconds in which a job must have saved a checkpoint and ended."""


@contextlib.contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Let processes that are begun ignore Ctrl-C, which a terminal sends them too: who began them stops them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def terminate(job: submitit.Job[str]) -> None:
    """Let a job save a checkpoint and end; submitit's own way of cancelling kills it after a second."""
    if not job.task(0).done():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(job.job_id), signal.SIGTERM)


def stop(jobs: Sequence[submitit.Job[str]]) -> None:
    """Terminate jobs and wait for them; kill those that do not end, and all at once after Ctrl-C."""
    began, sent = time.monotonic(), 0
    try:
        while not all(job.task(0).done() for job in jobs) and time.monotonic() < began + PATIENCE:
            if time.monotonic() >= began + sent * AGAIN:
                sent += 1
                for job in jobs:
                    terminate(job)
            time.sleep(0.1)
    finally:
        for job in jobs:
            if not job.task(0).done():
                _kill(int(job.job_id))


def _kill(controller: int) -> None:
    """Kill a process and its children, which only Linux tells."""
    children = Path(f"/proc/{controller}/task/{controller}/children")
    for number in [*(children.read_text().split() if children.exists() else ()), controller]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGKILL)
