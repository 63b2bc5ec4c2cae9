"""What each task of a submitted job calls: the job of the board, in submitit's protocol of checkpoints and requeueing.

Slurm sends SIGUSR2 some time before it takes the machine. The job of the board then saves a checkpoint and returns;
after that submitit's own handler decides whether to requeue it, and does so. SIGTERM alone comes of scancel, or of a
preemption after which Slurm requeues by itself: the job ends with code 130, which ``RequeueExit=130`` knows.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator

from submitit import JobEnvironment
from submitit.helpers import DelayedSubmission, TorchDistributedEnvironment

from genkit.benchmark.engine import Lost, Task, prepared
from genkit.benchmark.work import STOPPED
from genkit.files.guard import sentence

LATER = 5.0
"""Seconds for which SIGUSR2 may come after the SIGTERM of a preemption."""


class Unit:
    """A job of a board, as submitit stores it; ``prepare`` is called first in a process of its own."""

    def __init__(self, task: Task, prepare: Callable[[], None]) -> None:
        self._task, self._prepare = task, prepare

    def __call__(self) -> str | Lost:
        """Do the job; requeues it, and ends the process, if Slurm is about to end it."""
        environment = JobEnvironment()
        if environment.cluster == "debug":  # in the process of the command, where an error would begin a debugger
            try:
                return self._task()
            except Exception as error:
                return Lost(sentence(error))
        if environment.num_tasks > 1:
            TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        prepared(self._prepare)
        requeue = signal.getsignal(signal.SIGUSR2)
        with _received() as received:
            said = self._task()
            if said != STOPPED:
                return said
            about_to_end = received()
        if about_to_end and callable(requeue):
            requeue(signal.SIGUSR2, None)  # of the first task: it requeues, and ends the process
            raise SystemExit(0)
        raise SystemExit(130)

    def checkpoint(self) -> DelayedSubmission:
        """Return what is to be done after requeueing: the same, as the run knows how far it is."""
        return DelayedSubmission(self)


@contextlib.contextmanager
def _received() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether SIGUSR2 has come, or comes at once, whoever handles it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def received() -> bool:
        while select.select([reading], [], [], LATER)[0]:
            if signal.SIGUSR2 in os.read(reading, 4096):
                return True
        return False

    try:
        yield received
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)
