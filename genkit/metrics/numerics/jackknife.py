"""The block jackknife: standard errors and intervals from delete-one-block values.

Rows are assigned to blocks at random, so that data sorted by class still has balanced blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genkit.results.intervals import jackknife_interval
from genkit.results.score import Score

BLOCKS = 20


def number_of_blocks(wanted: int, *sizes: int) -> int:
    """Return how many blocks samples of these sizes can have: at least two, and none empty."""
    return max(2, min(wanted, *sizes))


def block_of(n: int, blocks: int) -> NDArray[np.intp]:
    """Return the block of each of ``n`` rows: blocks of equal size in random order, the same for the same arguments."""
    labels: NDArray[np.intp] = np.random.RandomState(0).permutation(np.arange(n) % blocks)
    return labels


def two_sample_score(
    value: float,
    real_deleted: Sequence[float],
    generated_deleted: Sequence[float],
    n: int,
    *,
    note: str = "",
    rankable: bool = True,
) -> Score:
    """Return the score of a statistic of two samples, with an interval around the value."""
    stderr, low, high = jackknife_interval(value, real_deleted, generated_deleted)
    replicates = (*real_deleted, *generated_deleted)
    return Score(value, stderr, low, high, "two-sample block jackknife", n, replicates, note, rankable)


def one_sample_score(value: float, deleted: Sequence[float], n: int, *, note: str = "") -> Score:
    """Return the score of a statistic of one sample, with an interval around the value."""
    stderr, low, high = jackknife_interval(value, deleted)
    return Score(value, stderr, low, high, "block jackknife", n, tuple(deleted), note)
