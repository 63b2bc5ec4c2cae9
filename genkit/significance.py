"""Which of many models differ, beyond what chance does to as many comparisons.

Over training seeds: Tukey's test as Kramer has it for unequal numbers of seeds (1956), on one variance pooled over the
models, as three seeds are too few for one each. Over evaluations of one seed: Student's test of paired blocks, Holm's
correction over all pairs (1979). Both keep the chance of any false difference on a board at 5 %.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genkit.records import RecordedScore

Array = NDArray[np.float64]
Decisions = NDArray[np.bool_]

LEVEL = 0.05


def differ_over_seeds(groups: Sequence[Sequence[float]], *, level: float = LEVEL) -> Decisions:
    """Return which models differ, [m, m], given each one's values over seeds; some have several, others may have one.

    Tukey-Kramer on logarithms where all values are above zero, as the noise of training is in proportion, else on the
    values. Models without noise of their own make the pooled variance smaller, as they should.
    """
    sizes = np.array([len(group) for group in groups], np.float64)
    freedom = int((sizes - 1).sum())
    if freedom < 1:
        raise ValueError("no model has two seeds")
    positive = min(min(group) for group in groups) > 0
    values = [np.log(group) if positive else np.asarray(group, np.float64) for group in groups]
    means = np.array([each.mean() for each in values])
    variance = sum(float(np.square(each - each.mean()).sum()) for each in values) / freedom
    margin = studentized_range(1 - level, len(groups), freedom) * np.sqrt(
        variance / 2 * (1 / sizes[:, None] + 1 / sizes)
    )
    found: Decisions = np.abs(means[:, None] - means) > margin
    return found


def differ_over_blocks(values: Array, stderrs: Array, freedom: Array, *, level: float = LEVEL) -> Decisions:
    """Return which of m values differ, [m, m], given the standard errors of their differences and their freedom.

    Student's test of each pair, Holm's correction over all of them.
    """
    from scipy.special import stdtr

    above = np.triu_indices(len(values), 1)
    gaps, errors = np.abs(values[:, None] - values)[above], stderrs[above]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(errors > 0, gaps / errors, np.where(gaps > 0, np.inf, 0.0))
    p_values = 2 * stdtr(freedom[above], -statistic)
    order = np.argsort(p_values, kind="stable")
    passed = p_values[order] <= level / np.arange(len(order), 0, -1)
    kept = order[: len(order) if passed.all() else int(passed.argmin())]
    found = np.zeros((len(values), len(values)), np.bool_)
    found[above[0][kept], above[1][kept]] = True
    return found | found.T


def paired_errors(scores: Sequence[RecordedScore]) -> tuple[Array, Array]:
    """Return the standard errors of all scores' differences and their degrees of freedom, [m, m] each.

    Paired by blocks between scores whose replicates left out the same ones, which takes out the noise that they share;
    between others as if they were independent.
    """
    errors = np.array([score.stderr for score in scores], np.float64)
    found, freedom = np.hypot(errors[:, None], errors), np.full((len(scores), len(scores)), 1e9)
    kinds: dict[tuple[str, int], list[int]] = {}
    for place, score in enumerate(scores):
        kinds.setdefault((score.method, len(score.replicates)), []).append(place)
    for (method, size), places in kinds.items():
        if size < 2:
            continue
        covariance = delete_one_covariance([scores[place].replicates for place in places], method)
        variance = covariance.diagonal()
        squared = variance[:, None] + variance - 2 * covariance
        found[np.ix_(places, places)] = np.sqrt(squared.clip(min=0))
        freedom[np.ix_(places, places)] = size // _samples(method) - 1
    return found, freedom


def delete_one_covariance(replicates: Sequence[Sequence[float]], method: str) -> Array:
    """Return the jackknife's covariance [m, m] of values given by delete-one-block replicates.

    A "two-sample" method has the real set's blocks in the first half and the generated set's in the second.
    """
    values = np.asarray(replicates, np.float64).reshape(len(replicates), _samples(method), -1)
    size = values.shape[2]
    centred = (values - values.mean(axis=2, keepdims=True)).reshape(len(replicates), -1)
    found: Array = (size - 1) / size * (centred @ centred.T)
    return found


def _samples(method: str) -> int:
    return 2 if "two-sample" in method else 1


@functools.lru_cache(maxsize=256)
def studentized_range(probability: float, groups: int, freedom: int) -> float:
    """Return the quantile of the range of ``groups`` standard normals over an independent deviation's estimate.

    By bisection of the integral over both, on fixed nodes; scipy.stats has it too, but takes seconds to import.
    """
    low, high = 0.0, 1.0
    while _range_below(high, groups, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _range_below(middle, groups, freedom) < probability else (low, middle)
    return high


def _range_below(q: float, groups: int, freedom: int) -> float:
    """Return the chance that the studentized range lies below q."""
    from scipy.special import gammaln, ndtr

    nodes, weights = np.polynomial.legendre.leggauss(128)
    top = 1 + 10 / np.sqrt(2 * freedom)
    share = (nodes + 1) / 2  # squared, as most of what a wide range says is near a deviation of zero
    s, s_weights = top * share**2, weights * top * share
    density = np.exp(
        np.log(2)
        + freedom / 2 * np.log(freedom / 2)
        - gammaln(freedom / 2)
        + (freedom - 1) * np.log(s)
        - freedom * s**2 / 2
    )
    z, z_weights = 9 * nodes, 9 * weights
    normal = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    inside = (ndtr(z) - ndtr(z - q * s[:, None])) ** (groups - 1)
    return float((s_weights * density) @ (groups * inside @ (z_weights * normal)))
