"""Pieces of work spread over torch's threads, each computed by one thread alone.

The usual way, all threads on one operator, makes them wait for each other hundreds of times per image; on a busy
machine most of the time goes there. Apart they wait once, and a result does not depend on their number.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def spread(function: Callable[[Piece], Result], pieces: Sequence[Piece]) -> Iterator[Result]:
    """Yield ``function(piece)`` of each piece in order, in inference mode, by as many threads as torch may use."""
    total = torch.get_num_threads()
    workers = min(len(pieces), total) if _can_be_set_apart(total) else 1
    if workers < 2:
        yield from map(torch.inference_mode()(function), pieces)
        return
    ready = threading.Barrier(workers + 1)

    def set_apart() -> None:
        torch.get_num_threads()  # settles this thread's share, which torch would do later and undo the next line
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(workers, thread_name_prefix="genkit", initializer=set_apart)
    try:
        results = [pool.submit(torch.inference_mode()(function), piece) for piece in pieces]
        ready.wait()
        torch.set_num_threads(total)  # the setting is also the default of threads to come
        for result in results:
            yield result.result()
    finally:
        ready.abort()  # nobody waits on where not all could start
        pool.shutdown(cancel_futures=True)


def _can_be_set_apart(threads: int) -> bool:
    """Not where this thread is bound to fewer cores (OMP_PROC_BIND): its children would share them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return threads <= cores and "OpenMP" in torch.__config__.parallel_info()
