"""Which of many models differ, beyond what chance does to as many comparisons.

Over training seeds: Tukey's test as Kramer has it for unequal numbers of seeds (1956), on one variance pooled over the
models, as three seeds are too few for one each: so it supposes that their seeds scatter alike. Over evaluations of one
seed: Student's test of paired blocks, Holm's correction over all pairs (1979). Both keep the chance of any false
difference on a board at 5 %.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genkit.results.records import RecordedScore

Array = NDArray[np.float64]
Decisions = NDArray[np.bool_]

LEVEL = 0.05


class Comparison(Protocol):
    """A comparison of m models."""

    @property
    def centres(self) -> Array:
        """What is compared, on the score's own scale, [m]."""

    @property
    def equal_noise(self) -> float:
        """The p-value of the noise being as the comparison supposes; 1 where it supposes nothing."""

    def subset(self, places: Sequence[int]) -> Comparison:
        """Return the comparison of some of the models, in that order; what is known of the noise stays known."""

    def differ(self, level: float = LEVEL) -> Decisions:
        """Return which models differ, [m, m]; the chance of any false difference among all is at most ``level``."""

    def chances(self, sign: int) -> Array:
        """Return the chance that each is better than each other, [m, m]; ``sign`` 1 if lower is better, else -1.

        From the noise alone, without a prior, of each pair by itself.
        """


@dataclass(frozen=True)
class OverSeeds:
    """A comparison by values over seeds, on one variance pooled over the models, known by ``freedom`` degrees.

    ``means`` [m] are of logarithms where all values are above zero, as the noise of training is in proportion, else of
    the values; ``sizes`` [m] the numbers of seeds. ``equal_noise`` is Bartlett's p-value of the models' seeds
    scattering alike, which pooling supposes.
    """

    means: Array
    sizes: Array
    variance: float
    freedom: int
    logarithmic: bool
    equal_noise: float

    @classmethod
    def of(cls, groups: Sequence[Sequence[float]]) -> OverSeeds:
        """Compare groups of seeds; some models have several, others may have one.

        A model whose seeds are all equal has no part in the variance: of what its training adds it says nothing.
        """
        sizes = np.array([len(group) for group in groups], np.float64)
        if sizes.max() < 2:
            raise ValueError("no model has two seeds")
        logarithmic = min(min(group) for group in groups) > 0
        values = [np.log(group) if logarithmic else np.asarray(group, np.float64) for group in groups]
        noisy = [each for each in values if np.ptp(each) > 0] or [each for each in values if len(each) > 1]
        freedom = sum(len(each) - 1 for each in noisy)
        variance = sum(float(np.square(each - each.mean()).sum()) for each in noisy) / freedom
        means = np.array([each.mean() for each in values])
        return cls(means, sizes, variance, freedom, logarithmic, _bartlett(noisy))

    @property
    def centres(self) -> Array:
        """The means; of logarithms, geometric ones."""
        return np.exp(self.means) if self.logarithmic else self.means

    def subset(self, places: Sequence[int]) -> OverSeeds:
        """Return the comparison of some models: fewer to tell apart, on the variance of all."""
        return dataclasses.replace(self, means=self.means[places], sizes=self.sizes[places])

    def intervals(self, level: float = LEVEL) -> Array:
        """Return Student's intervals around the centres, [m, 2], of the variance that the decisions are of."""
        from scipy.special import stdtrit

        half = -float(stdtrit(self.freedom, level / 2)) * np.sqrt(self.variance / self.sizes)
        ends = self.means[:, None] + np.stack([-half, half], axis=1)
        found: Array = np.exp(ends) if self.logarithmic else ends
        return found

    def differ(self, level: float = LEVEL) -> Decisions:
        """Return which models differ, [m, m], beyond the range of as many that are equal (Tukey-Kramer)."""
        margin = studentized_range(1 - level, len(self.means), self.freedom) * self._errors() / np.sqrt(2)
        found: Decisions = np.abs(self.means[:, None] - self.means) > margin
        return found

    def chances(self, sign: int) -> Array:
        """Return the chance that each is better, [m, m], by Student's distribution with the pooled freedom."""
        return _chances(sign * self.means, self._errors(), self.freedom)

    def _errors(self) -> Array:
        found: Array = np.sqrt(self.variance * (1 / self.sizes[:, None] + 1 / self.sizes))
        return found


def _bartlett(groups: Sequence[Array]) -> float:
    """Return Bartlett's p-value of equal variances (1937); 1 for fewer than two groups with any."""
    from scipy.special import chdtrc

    freedoms = np.array([len(each) - 1 for each in groups], np.float64)
    variances = np.array([each.var(ddof=1) if len(each) > 1 else 0.0 for each in groups])
    freedoms, variances = freedoms[variances > 0], variances[variances > 0]
    if len(variances) < 2:
        return 1.0
    pooled = freedoms @ variances / freedoms.sum()
    statistic = freedoms.sum() * np.log(pooled) - freedoms @ np.log(variances)
    scale = 1 + ((1 / freedoms).sum() - 1 / freedoms.sum()) / (3 * (len(variances) - 1))
    return float(chdtrc(len(variances) - 1, statistic / scale))


@dataclass(frozen=True)
class OverBlocks:
    """A comparison of values [m] of one seed each by the noise of evaluation: Student's test of each pair.

    ``errors`` [m, m] are the standard errors of their differences, ``freedom`` [m, m] what those are known by; both
    from ``paired_errors``.
    """

    values: Array
    errors: Array
    freedom: Array

    @property
    def centres(self) -> Array:
        """The values."""
        return self.values

    @property
    def equal_noise(self) -> float:
        """One: each pair has an error of its own."""
        return 1.0

    def subset(self, places: Sequence[int]) -> OverBlocks:
        """Return the comparison of some values: fewer pairs to test."""
        pairs = np.ix_(places, places)
        return OverBlocks(self.values[places], self.errors[pairs], self.freedom[pairs])

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
        if _pairs(method, size):
            return _paired([score.replicates for score in scores], method)
    errors = np.array([score.stderr for score in scores], np.float64)
    found, freedom = np.hypot(errors[:, None], errors), np.full((len(scores), len(scores)), 1e9)
    for (method, size), places in kinds.items():
        if _pairs(method, size):
            pairs = np.ix_(places, places)
            found[pairs], freedom[pairs] = _paired([scores[place].replicates for place in places], method)
    return found, freedom


def mean_error(scores: Sequence[RecordedScore]) -> float:
    """Return the standard error of the mean of scores, that of measuring: what they share does not average out."""
    size = len(scores[0].replicates)
    if _pairs(scores[0].method, size) and {(s.method, len(s.replicates)) for s in scores} == {(scores[0].method, size)}:
        covariance = delete_one_covariance([score.replicates for score in scores], scores[0].method)
        return float(np.sqrt(covariance.mean()))
    return float(np.linalg.norm([score.stderr for score in scores])) / len(scores)


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


def _pairs(method: str, size: int) -> bool:
    """Whether replicates are as many as their method makes, and enough to have an error."""
    return size % _samples(method) == 0 and size // _samples(method) >= 2


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
