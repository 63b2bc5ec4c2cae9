"""Pieces of work spread over torch's threads, each computed by one thread alone.

The usual way, all threads on one operator, makes them wait for each other hundreds of times per image; on a busy
machine most of the time goes there. Apart they wait once, and a result does not depend on their number.
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
    """Yield ``function(piece)`` of each piece in order, in inference mode, by as many threads as torch may use."""
    total = torch.get_num_threads()
    workers = min(len(pieces), total) if _can_be_set_apart(total) else 1
    if workers < 2:
        yield from map(torch.inference_mode()(function), pieces)
        return
    try:
        with ThreadPoolExecutor(workers, "genkit", initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(torch.inference_mode()(function), pieces)
    finally:
        torch.set_num_threads(total)  # what a thread sets for itself is also the default of threads to come


def _can_be_set_apart(threads: int) -> bool:
    """Not where this thread is bound to fewer cores (OMP_PROC_BIND): its children would share them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return threads <= cores and "OpenMP" in torch.__config__.parallel_info()
