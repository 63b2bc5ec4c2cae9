"""Reading many image files in processes of their own, in order and with little in memory at a time.

The processes are started anew, so they need nothing of the caller's main module and hold no copy of its memory. They
are asked by their standard input, answer by their standard output, and end with the former. Signals by which users and
schedulers stop the work are for the caller, who then ends them: they are a process group of their own, which a terminal
does not tell of Ctrl-C, and ignore what a scheduler sends to all processes of a job.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, TypeVar

from genkit.data.pieces import Message, Piece, Work, answered, asked, results_of
from genkit.errors import DataError
from genkit.files.guard import STOPPING
from genkit.files.reading import entire

R = TypeVar("R")

MOMENT = 1.0
"""Seconds of work that are done here before processes are started, which takes them about half a second."""

_BEGIN = "import sys; sys.path[:] = sys.argv[1:]; from genkit.data.workers import serve; serve()"
_LENGTH = struct.Struct("<Q")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_for(memory: int) -> int:
    """Return how many processes may work at once if each takes so many bytes: one a processor, if memory allows."""
    return max(1, min(processors(), entire() // max(1, memory)))


def in_order(
    work: Work[R], batches: Iterable[list[Piece | DataError]], workers: int
) -> Generator[R | DataError, None, None]:
    """Yield what is made of each piece, in order, or why it can't be used.

    The first are worked on here. At most two batches for each of the ``workers`` are in memory. Close it if it is left
    before its end: the processes end with it.
    """
    until, rest = time.monotonic() + MOMENT, iter(batches)
    for batch in rest:
        if workers > 1 and sys.executable and time.monotonic() >= until:
            yield from _elsewhere(work, itertools.chain([batch], rest), workers)
            return
        for piece in batch:
            yield work.of(piece)


def _elsewhere(work: Work[R], batches: Iterable[list[Piece | DataError]], workers: int) -> Iterator[R | DataError]:
    processes: list[subprocess.Popen[bytes]] = []
    own = threading.local()

    def made(batch: list[Piece | DataError]) -> list[R | DataError]:
        if not hasattr(own, "process"):
            own.process = _started()
            processes.append(own.process)
        return _made(own.process, work, batch)

    waiting: deque[Future[list[R | DataError]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for batch in batches:
            waiting.append(pool.submit(made, batch))
            if len(waiting) >= 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        pool.shutdown()
        for process in processes:
            process.communicate()


def _started() -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-c", _BEGIN, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(_THREADS, "1")},
            process_group=0,
        )
    except OSError as error:
        raise DataError(f"no process can be started to read images ({error.strerror}): end some others") from error


def _made(process: subprocess.Popen[bytes], work: Work[R], batch: list[Piece | DataError]) -> list[R | DataError]:
    """Return what a process makes of a batch; raises DataError if it ends, MemoryError or RuntimeError if it fails."""
    assert process.stdin is not None and process.stdout is not None
    try:
        send(process.stdin, asked(work, [each for each in batch if isinstance(each, Piece)]))
        found, blobs = receive(process.stdout)
    except (EOFError, OSError) as error:
        raise DataError(_ended(process)) from error
    if isinstance(found, dict):
        raise MemoryError() if found["failed"] == "MemoryError" else RuntimeError(found["message"])
    answers: list[R | DataError] = results_of(work, (found, blobs))
    results = iter(answers)
    return [next(results) if isinstance(each, Piece) else each for each in batch]


def _ended(process: subprocess.Popen[bytes]) -> str:
    """Return what to say of a process that answers no more."""
    code = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = process.wait(1)
    if code is None or code < 0:
        return (
            "a process that reads images was ended, as the system does for want of memory: make memory free, or give "
            "smaller images"
        )
    return f"a process that reads images ended by itself, with exit code {code}: what it printed says why"


def serve() -> None:
    """Answer what comes by the standard input until it ends; whatever prints goes to the standard error."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    writing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            message = receive(sys.stdin.buffer)
            try:
                answer = answered(message)
            except Exception as error:
                answer = {"failed": type(error).__name__, "message": f"{type(error).__name__}: {error}"}, []
            send(writing, answer)


def send(file: IO[bytes], message: Message) -> None:
    """Write a message."""
    value, blobs = message
    head = json.dumps([value, [len(each) for each in blobs]]).encode()
    file.write(_LENGTH.pack(len(head)) + head)
    for each in blobs:
        file.write(each)
    file.flush()


def receive(file: IO[bytes]) -> Message:
    """Read a message; raises EOFError where they end."""
    length = _LENGTH.unpack(_exactly(file, _LENGTH.size))[0]
    value, sizes = json.loads(_exactly(file, length))
    return value, [_exactly(file, size) for size in sizes]


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError("it ends")
    return data
