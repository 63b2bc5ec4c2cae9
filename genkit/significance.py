"""Which of many models differ, beyond what chance does to as many comparisons.

Over training seeds: Tukey's test as Kramer has it for unequal numbers of seeds (1956), on one variance pooled over the
models, as three seeds are too few for one each. Over evaluations of one seed: Student's test of paired blocks, Holm's
correction over all pairs (1979). Both keep the chance of any false difference on a board at 5 %.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genkit.records import RecordedScore

Array = NDArray[np.float64]
Decisions = NDArray[np.bool_]

LEVEL = 0.05


class Comparison(Protocol):
    """A comparison of m models."""

    def differ(self, level: float = LEVEL) -> Decisions:
        """Return which models differ, [m, m]; the chance of any false difference among all is at most ``level``."""

    def chances(self, sign: int) -> Array:
        """Return the chance that each is better than each other, [m, m]; ``sign`` 1 if lower is better, else -1.

        From the noise alone, without a prior, of each pair by itself.
        """


class OverSeeds:
    """A comparison by values over seeds, one group each; some have several, others may have one.

    Tukey-Kramer on logarithms where all values are above zero, as the noise of training is in proportion, else on the
    values. Models without noise of their own make the pooled variance smaller, as they should.
    """

    def __init__(self, groups: Sequence[Sequence[float]]) -> None:
        sizes = np.array([len(group) for group in groups], np.float64)
        self.freedom = int((sizes - 1).sum())
        if self.freedom < 1:
            raise ValueError("no model has two seeds")
        self.positive = min(min(group) for group in groups) > 0
        values = [np.log(group) if self.positive else np.asarray(group, np.float64) for group in groups]
        self.means = np.array([each.mean() for each in values])
        variance = sum(float(np.square(each - each.mean()).sum()) for each in values) / self.freedom
        self.errors = np.sqrt(variance * (1 / sizes[:, None] + 1 / sizes))
        self.own = np.sqrt(variance / sizes)

    def intervals(self, centres: Sequence[float], level: float = LEVEL) -> Array:
        """Return Student's intervals around the models' values, [m, 2], of the pooled variance as the decisions are."""
        from scipy.special import stdtrit

        half = -float(stdtrit(self.freedom, level / 2)) * np.stack([-self.own, self.own], axis=1)
        middle = np.asarray(centres, np.float64)[:, None]
        found: Array = middle * np.exp(half) if self.positive else middle + half
        return found

    def differ(self, level: float = LEVEL) -> Decisions:
        """Return which models differ, [m, m], beyond the range of as many that are equal."""
        margin = studentized_range(1 - level, len(self.means), self.freedom) * self.errors / np.sqrt(2)
        found: Decisions = np.abs(self.means[:, None] - self.means) > margin
        return found

    def chances(self, sign: int) -> Array:
        """Return the chance that each is better, [m, m], by Student's distribution with the pooled freedom."""
        return _chances(sign * self.means, self.errors, self.freedom)


@dataclass(frozen=True)
class OverBlocks:
    """A comparison of values [m] of one seed each by the noise of evaluation: Student's test of each pair.

    ``errors`` [m, m] are the standard errors of their differences, ``freedom`` [m, m] what those are known by; both
    from ``paired_errors``.
    """

    values: Array
    errors: Array
    freedom: Array

    def differ(self, level: float = LEVEL) -> Decisions:
        """Return which values differ, [m, m], by Holm's correction over all pairs.

        What passes the strictest of its levels passes, what fails the mildest fails; only the rest is put in order.
        """
        from scipy.special import stdtr

        pairs = len(self.values) * (len(self.values) - 1) // 2
        statistic = np.abs(self.values[:, None] - self.values)
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic /= self.errors  # without noise infinite, or no number for equal values, which passes nothing
        found: Decisions = statistic >= self._least(level / max(1, pairs))
        one, other = np.nonzero(np.triu(~found & (statistic >= self._least(level)), 1))
        p_values = 2 * stdtr(self.freedom[one, other], -statistic[one, other])
        order = np.argsort(p_values, kind="stable")
        left = pairs - np.count_nonzero(found) // 2 - np.arange(len(order))
        passed = p_values[order] <= level / left
        kept = order[: len(order) if passed.all() else int(passed.argmin())]
        found[one[kept], other[kept]] = found[other[kept], one[kept]] = True
        return found

    def _least(self, level: float) -> Array:
        """The least statistic of a pair alone at a two-sided level: [m, m], or a number if all need the same."""
        from scipy.special import stdtrit

        if self.freedom.size and self.freedom.min() == self.freedom.max():
            return np.asarray(-stdtrit(self.freedom.flat[0], level / 2))
        kinds, places = np.unique(self.freedom, return_inverse=True)
        found: Array = -stdtrit(kinds, level / 2)[places].reshape(self.freedom.shape)
        return found

    def chances(self, sign: int) -> Array:
        """Return the chance that each is better, [m, m], by Student's distribution with each pair's freedom."""
        return _chances(sign * self.values, self.errors, self.freedom)


def _chances(means: Array, errors: Array, freedom: Array | int) -> Array:
    """Return the chance that each mean lies below each other, [m, m]."""
    from scipy.special import stdtr

    gaps = means - means[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(gaps == 0, 0.0, gaps / errors)
    found: Array = stdtr(freedom, statistic)
    np.fill_diagonal(found, 0.5)
    return found


def paired_errors(scores: Sequence[RecordedScore]) -> tuple[Array, Array]:
    """Return the standard errors of all scores' differences and their degrees of freedom, [m, m] each.

    Paired by blocks between scores whose replicates left out the same ones, which takes out the noise that they share;
    between others as if they were independent.
    """
    kinds: dict[tuple[str, int], list[int]] = {}
    for place, score in enumerate(scores):
        kinds.setdefault((score.method, len(score.replicates)), []).append(place)
    if len(kinds) == 1:
        ((method, size),) = kinds
        if size >= 2:
            return _paired([score.replicates for score in scores], method)
    errors = np.array([score.stderr for score in scores], np.float64)
    found, freedom = np.hypot(errors[:, None], errors), np.full((len(scores), len(scores)), 1e9)
    for (method, size), places in kinds.items():
        if size >= 2:
            pairs = np.ix_(places, places)
            found[pairs], freedom[pairs] = _paired([scores[place].replicates for place in places], method)
    return found, freedom


def _paired(replicates: Sequence[Sequence[float]], method: str) -> tuple[Array, Array]:
    """The errors of differences between values of one kind of replicates, and their freedom, [m, m] each."""
    squared = delete_one_covariance(replicates, method)
    variance, freedom = squared.diagonal().copy(), len(replicates[0]) // _samples(method) - 1
    squared *= -2
    squared += variance
    squared += variance[:, None]
    np.sqrt(squared.clip(min=0, out=squared), out=squared)
    return squared, np.broadcast_to(np.float64(freedom), squared.shape)


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
def studentized_range(probability: float, groups: int, freedom: float) -> float:
    """Return the quantile of the range of ``groups`` standard normals over an independent deviation's estimate.

    With infinite ``freedom`` the deviation is known.

    By bisection of the integral over both, on fixed nodes; scipy.stats has it too, but takes seconds to import.
    """
    low, high = 0.0, 1.0
    while _range_below(high, groups, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _range_below(middle, groups, freedom) < probability else (low, middle)
    return high


def _range_below(q: float, groups: int, freedom: float) -> float:
    """Return the chance that the studentized range lies below q."""
    from scipy.special import gammaln, ndtr

    nodes, weights = np.polynomial.legendre.leggauss(128)
    if np.isinf(freedom):
        s, density = np.ones(1), np.ones(1)
    else:
        top = 1 + 10 / np.sqrt(2 * freedom)
        share = (nodes + 1) / 2  # squared, as most of what a wide range says is near a deviation of zero
        s = top * share**2
        density = (
            weights
            * top
            * share
            * np.exp(
                np.log(2)
                + freedom / 2 * np.log(freedom / 2)
                - gammaln(freedom / 2)
                + (freedom - 1) * np.log(s)
                - freedom * s**2 / 2
            )
        )
    z, z_weights = 9 * nodes, 9 * weights
    normal = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    inside = (ndtr(z) - ndtr(z - q * s[:, None])) ** (groups - 1)
    return float(density @ (groups * inside @ (z_weights * normal)))
