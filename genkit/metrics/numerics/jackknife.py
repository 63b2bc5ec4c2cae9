"""The block jackknife: bias, standard errors and intervals from delete-one-block values.

Rows are assigned to blocks at random, so that data sorted by class still has balanced blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genkit.results.score import Score

BLOCKS = 20


def number_of_blocks(wanted: int, *sizes: int) -> int:
    """Return how many blocks samples of these sizes can have: at least two, and none empty."""
    return max(2, min(wanted, *sizes))


def block_of(n: int, blocks: int) -> NDArray[np.intp]:
    """Return the block of each of ``n`` rows: blocks of equal size in random order, the same for the same arguments."""
    labels: NDArray[np.intp] = np.random.RandomState(0).permutation(np.arange(n) % blocks)
    return labels


def bias(value: float, deleted: Sequence[float]) -> float:
    """Return the jackknife estimate of the bias of ``value``: (B - 1) (mean of ``deleted`` - value)."""
    return (len(deleted) - 1) * (float(np.mean(deleted)) - value)


def variance(deleted: Sequence[float]) -> float:
    """Return the jackknife variance: (B - 1) / B times the sum of squared deviations of ``deleted`` from its mean."""
    return (len(deleted) - 1) * float(np.var(deleted))


def t_quantile(degrees: float, level: float = 0.95) -> float:
    """Return the quantile of Student's t for a two-sided interval."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + level) / 2))


def two_sample_interval(
    centre: float, real_deleted: Sequence[float], generated_deleted: Sequence[float]
) -> tuple[float, float, float]:
    """Return standard error and 95 % interval around ``centre`` from both samples' delete-one-block values.

    The variances of the samples are added, with Welch-Satterthwaite degrees of freedom.
    """
    parts = [(variance(deleted), len(deleted) - 1) for deleted in (real_deleted, generated_deleted)]
    total = sum(part for part, _ in parts)
    if total == 0:
        return 0.0, centre, centre
    degrees = 1 / sum((part / total) ** 2 / freedom for part, freedom in parts)
    stderr = math.sqrt(total)
    half = t_quantile(degrees) * stderr
    return stderr, centre - half, centre + half


def two_sample_score(value: float, real_deleted: Sequence[float], generated_deleted: Sequence[float], n: int) -> Score:
    """Return the score of an unbiased statistic of two samples, with an interval centred on the value."""
    stderr, low, high = two_sample_interval(value, real_deleted, generated_deleted)
    replicates = (*real_deleted, *generated_deleted)
    return Score(value, stderr, low, high, "two-sample block jackknife", n, replicates)


def corrected_two_sample_score(
    value: float,
    real_deleted: Sequence[float],
    generated_deleted: Sequence[float],
    *,
    n: int,
    note: str = "",
    rankable: bool = True,
) -> Score:
    """Return the score of a biased distance between two samples, at least 0.

    The interval is centred on the value minus the bias of both samples, so the value may lie outside. For samples too
    small to rank by the jackknife underestimates the bias: the interval is [0, uncorrected upper end].
    """
    replicates = (*real_deleted, *generated_deleted)
    if not rankable:
        stderr, _, high = two_sample_interval(value, real_deleted, generated_deleted)
        method = "two-sample block jackknife above the value, 0 below: the bias of so few is not known"
        return Score(value, stderr, 0.0, high, method, n, replicates, note, rankable)
    corrected = value - bias(value, real_deleted) - bias(value, generated_deleted)
    stderr, low, high = two_sample_interval(max(corrected, 0.0), real_deleted, generated_deleted)
    method = "bias-corrected two-sample block jackknife"
    return Score(value, stderr, low, high, method, n, replicates, note).within(0.0)


def one_sample_score(value: float, deleted: Sequence[float], n: int) -> Score:
    """Return the score of a statistic of one sample, with an interval centred on the value."""
    return _one_sample_score(value, value, deleted, n, "block jackknife")


def corrected_one_sample_score(value: float, deleted: Sequence[float], n: int) -> Score:
    """Return the score of a biased statistic of one sample, with an interval centred on the value minus its bias."""
    return _one_sample_score(value, value - bias(value, deleted), deleted, n, "bias-corrected block jackknife")


def _one_sample_score(value: float, centre: float, deleted: Sequence[float], n: int, method: str) -> Score:
    stderr = math.sqrt(variance(deleted))
    half = t_quantile(len(deleted) - 1) * stderr
    return Score(value, stderr, centre - half, centre + half, method, n, tuple(deleted))
