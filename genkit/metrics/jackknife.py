"""The block jackknife: bias, standard errors and intervals from delete-one-block values.

Row i belongs to block i % B, so that data in the order of its classes still has balanced blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCKS = 20


def number_of_blocks(wanted: int, *sizes: int) -> int:
    """Return how many blocks samples of these sizes can have: no block is empty, and at least two are there."""
    return max(2, min(wanted, *sizes))


def block_of(n: int, blocks: int) -> NDArray[np.intp]:
    """Return the block of each of ``n`` rows."""
    return np.arange(n) % blocks


def bias(value: float, deleted: Sequence[float]) -> float:
    """Return the jackknife's estimate of the bias of ``value``: (B-1) (mean of the deleted - value)."""
    return (len(deleted) - 1) * (float(np.mean(deleted)) - value)


def variance(deleted: Sequence[float]) -> float:
    """Return the jackknife's variance: (B-1)/B times the squared deviations of the deleted values from their mean."""
    return (len(deleted) - 1) * float(np.var(deleted))


def t_quantile(degrees: float, level: float = 0.95) -> float:
    """Return the quantile of Student's t for a two-sided interval."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + level) / 2))


def two_sample_interval(
    centre: float, real_deleted: Sequence[float], generated_deleted: Sequence[float]
) -> tuple[float, float, float]:
    """Return standard error and 95 % interval around ``centre`` from both samples' deleted values.

    The variances of the samples add up; the degrees of freedom are Welch and Satterthwaite's.
    """
    parts = [(variance(deleted), len(deleted) - 1) for deleted in (real_deleted, generated_deleted)]
    total = sum(part for part, _ in parts)
    if total == 0:
        return 0.0, centre, centre
    degrees = 1 / sum((part / total) ** 2 / freedom for part, freedom in parts)
    stderr = math.sqrt(total)
    half = t_quantile(degrees) * stderr
    return stderr, centre - half, centre + half
