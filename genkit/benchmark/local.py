"""The engine of this machine: each job is a process.

Processes are forked from a server that has imported torch and done nothing else: imports are paid for once, and no
child inherits OpenMP's state without its threads, which would hang.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from genkit.benchmark.engine import Engine, EngineRequest, Lost, Task, prepared, refuse_options
from genkit.errors import GenkitError
from genkit.files.guard import sentence

CONTEXT: Any = multiprocessing.get_context("forkserver")
# torch imports torch._dynamo with the first optimiser, which takes seconds in each process.
CONTEXT.set_forkserver_preload(["genkit.benchmark.runner", "genkit.training.api", "genkit.evaluation", "torch._dynamo"])


def local(request: EngineRequest) -> LocalEngine:
    """Return the engine; raises OptionsError for any option."""
    refuse_options("local", request.options)
    return LocalEngine(request.workers or 1, request.prepare)


class LocalFuture:
    """A process; it sends what its task returned."""

    log: Path | None = None

    def __init__(self, process: BaseProcess, said: multiprocessing.connection.Connection) -> None:
        self._process, self._said, self._cancelled = process, said, False

    def done(self) -> bool:
        """See Future."""
        return not self._process.is_alive()

    def result(self) -> str:
        """See Future."""
        self._process.join()
        with self._said:
            try:
                if self._said.poll():
                    said = self._said.recv()
                    if isinstance(said, Lost):
                        raise said
                    return str(said)
            except EOFError:
                pass
        raise Lost(f"its process ended with code {self._process.exitcode}, perhaps for lack of memory")

    def cancel(self) -> None:
        """See Future; a second signal would not let the task save."""
        if not self._cancelled and self._process.is_alive():
            self._cancelled = True
            self._process.terminate()

    def wait(self) -> None:
        """Wait until the process has ended."""
        self._process.join()


class LocalEngine(Engine):
    """Runs ``workers`` processes at a time, among which the cores are shared; they end with this process."""

    pause = 0.05

    def __init__(self, workers: int, prepare: Callable[[], None]) -> None:
        self.limit = workers
        self._threads = max(1, (os.cpu_count() or 1) // workers)
        self._prepare = prepare
        self._futures: list[LocalFuture] = []

    def submit(self, name: str, task: Task) -> LocalFuture:
        """See Engine."""
        receiving, sending = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=_alone, args=(task, self._threads, self._prepare, sending))
        process.start()
        sending.close()
        self._futures = [each for each in self._futures if not each.done()]
        self._futures.append(LocalFuture(process, receiving))
        return self._futures[-1]

    def close(self) -> None:
        """Stop the processes that there are, and wait until they have ended."""
        for future in self._futures:
            future.cancel()
        for future in self._futures:
            future.wait()


def _alone(
    task: Task, threads: int, prepare: Callable[[], None], sending: multiprocessing.connection.Connection
) -> None:
    """Do a task, in its own process."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the runner passes it on once
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    torch.set_num_threads(threads)
    prepared(prepare)
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    said: str | Lost
    try:
        said = task()
    except Exception as error:
        said = Lost(sentence(error))
        if not isinstance(error, GenkitError):
            sys.excepthook(type(error), error, error.__traceback__)  # as if it had ended the process
    with contextlib.suppress(OSError):  # the runner is dead
        sending.send(said)


def _end_with_the_runner() -> None:
    """Stop this job, as Ctrl-C would, when its runner has died."""
    runner = multiprocessing.parent_process()
    if runner is not None:
        multiprocessing.connection.wait([runner.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
