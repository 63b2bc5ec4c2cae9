"""Parallel work with one piece per thread, instead of torch's way of all threads on each operator.

Threads that share an operator wait for each other hundreds of times per image; on a busy machine most of the time goes
there. One thread per piece waits once, and the result does not depend on the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def spread(function: Callable[[Piece], Result], pieces: Sequence[Piece]) -> Iterator[Result]:
    """Yield ``function(piece)`` for each piece in order, in inference mode, on as many threads as torch may use."""
    total = torch.get_num_threads()
    workers = min(len(pieces), total) if _threads_have_cores(total) else 1
    if workers < 2:
        yield from map(torch.inference_mode()(function), pieces)
        return
    try:
        with ThreadPoolExecutor(workers, "genkit", initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(torch.inference_mode()(function), pieces)
    finally:
        torch.set_num_threads(total)  # a thread's own setting is also the default of later threads


def _threads_have_cores(threads: int) -> bool:
    """False where this thread is bound to fewer cores (OMP_PROC_BIND), which its children would share."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return threads <= cores and "OpenMP" in torch.__config__.parallel_info()
