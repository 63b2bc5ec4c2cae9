"""Significance tests between many models, corrected for multiple comparisons.

With several training seeds: the Tukey-Kramer test (1956), with one variance pooled over the models, since a few seeds
are too few to estimate one per model; it assumes equal variances. With one seed each: paired t-tests over the blocks
of the evaluation, with Holm's correction (1979). Both keep the family-wise error rate of a board at 5 %.
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
    """A statistical comparison of m models."""

    @property
    def centres(self) -> Array:
        """The values compared, on the score's own scale, [m]."""

    @property
    def equal_noise(self) -> float:
        """The p-value of the assumption of equal variances; 1 where none is made."""

    def subset(self, places: Sequence[int]) -> Comparison:
        """Return the comparison of some of the models, in that order, with the noise estimate of all."""

    def differ(self, level: float = LEVEL) -> Decisions:
        """Return which models differ significantly, [m, m]; ``level`` is the family-wise error rate."""

    def chances(self, sign: int) -> Array:
        """Return the probability that each is better than each other, [m, m]; ``sign`` 1 if lower is better, else -1.

        Pairwise, from the noise alone: no prior, no correction for multiple comparisons.
        """


@dataclass(frozen=True)
class TrainingNoise:
    """A comparison of means over training seeds, with one pooled variance of ``dof`` degrees of freedom.

    ``means`` [m] are means of logarithms if all values are positive, since training noise is roughly proportional to
    the value, else of the values. ``sizes`` [m] are the numbers of seeds. ``equal_noise`` is the p-value of Bartlett's
    test of equal variances, which pooling assumes.
    """

    means: Array
    sizes: Array
    variance: float
    dof: int
    logarithmic: bool
    equal_noise: float

    @classmethod
    def of(cls, groups: Sequence[Sequence[float]]) -> TrainingNoise:
        """Compare groups of values, one group per model; at least one has several seeds.

        A model whose seeds all give the same value, such as a closed form, does not enter the pooled variance. Raises
        ValueError if no group has two values.
        """
        sizes = np.array([len(group) for group in groups], np.float64)
        if sizes.max() < 2:
            raise ValueError("no model has two seeds")
        logarithmic = min(min(group) for group in groups) > 0
        values = [np.log(group) if logarithmic else np.asarray(group, np.float64) for group in groups]
        noisy = [each for each in values if np.ptp(each) > 0] or [each for each in values if len(each) > 1]
        dof = sum(len(each) - 1 for each in noisy)
        variance = sum(float(np.square(each - each.mean()).sum()) for each in noisy) / dof
        means = np.array([each.mean() for each in values])
        return cls(means, sizes, variance, dof, logarithmic, _bartlett(noisy))

    @property
    def centres(self) -> Array:
        """The means; geometric ones if logarithms are compared."""
        return np.exp(self.means) if self.logarithmic else self.means

    def subset(self, places: Sequence[int]) -> TrainingNoise:
        """Return the comparison of some models, with the pooled variance of all."""
        return dataclasses.replace(self, means=self.means[places], sizes=self.sizes[places])

    def intervals(self, level: float = LEVEL) -> Array:
        """Return Student's t intervals around the centres, [m, 2], from the pooled variance."""
        from scipy.special import stdtrit

        half = -float(stdtrit(self.dof, level / 2)) * np.sqrt(self.variance / self.sizes)
        ends = self.means[:, None] + np.stack([-half, half], axis=1)
        found: Array = np.exp(ends) if self.logarithmic else ends
        return found

    def differ(self, level: float = LEVEL) -> Decisions:
        """Return which models differ significantly, [m, m], by the Tukey-Kramer test."""
        margin = studentized_range(1 - level, len(self.means), self.dof) * self._errors() / np.sqrt(2)
        found: Decisions = np.abs(self.means[:, None] - self.means) > margin
        return found

    def chances(self, sign: int) -> Array:
        """Return the probability that each is better, [m, m], by Student's t with the pooled degrees of freedom."""
        return _chances(sign * self.means, self._errors(), self.dof)

    def _errors(self) -> Array:
        found: Array = np.sqrt(self.variance * (1 / self.sizes[:, None] + 1 / self.sizes))
        return found


def _bartlett(groups: Sequence[Array]) -> float:
    """Return the p-value of Bartlett's test of equal variances (1937); 1 if fewer than two groups have a variance."""
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
class EvaluationNoise:
    """A comparison of values [m] of one seed each by evaluation noise: a t-test of each pair.

    ``errors`` [m, m] are the standard errors of the differences and ``dof`` [m, m] their degrees of freedom, both
    from ``paired_errors``.
    """

    values: Array
    errors: Array
    dof: Array

    @property
    def centres(self) -> Array:
        """The values."""
        return self.values

    @property
    def equal_noise(self) -> float:
        """1: each pair has its own error, so equal variances are not assumed."""
        return 1.0

    def subset(self, places: Sequence[int]) -> EvaluationNoise:
        """Return the comparison of some values, which has fewer pairs to correct for."""
        pairs = np.ix_(places, places)
        return EvaluationNoise(self.values[places], self.errors[pairs], self.dof[pairs])

    def differ(self, level: float = LEVEL) -> Decisions:
        """Return which values differ significantly, [m, m], with Holm's correction over all pairs.

        Pairs that pass the strictest of Holm's levels or fail the mildest are decided at once; only the rest is sorted.
        """
        from scipy.special import stdtr

        pairs = len(self.values) * (len(self.values) - 1) // 2
        statistic = np.abs(self.values[:, None] - self.values)
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic /= self.errors  # without noise inf, or NaN for equal values, which is never significant
        found: Decisions = statistic >= self._least(level / max(1, pairs))
        one, other = np.nonzero(np.triu(~found & (statistic >= self._least(level)), 1))
        p_values = 2 * stdtr(self.dof[one, other], -statistic[one, other])
        order = np.argsort(p_values, kind="stable")
        left = pairs - np.count_nonzero(found) // 2 - np.arange(len(order))
        passed = p_values[order] <= level / left
        kept = order[: len(order) if passed.all() else int(passed.argmin())]
        found[one[kept], other[kept]] = found[other[kept], one[kept]] = True
        return found

    def _least(self, level: float) -> Array:
        """The critical t value at a two-sided level: [m, m], or a scalar if all degrees of freedom are equal."""
        from scipy.special import stdtrit

        if self.dof.size and self.dof.min() == self.dof.max():
            return np.asarray(-stdtrit(self.dof.flat[0], level / 2))
        kinds, places = np.unique(self.dof, return_inverse=True)
        found: Array = -stdtrit(kinds, level / 2)[places].reshape(self.dof.shape)
        return found

    def chances(self, sign: int) -> Array:
        """Return the probability that each is better, [m, m], by Student's t with each pair's degrees of freedom."""
        return _chances(sign * self.values, self.errors, self.dof)


def _chances(means: Array, errors: Array, dof: Array | int) -> Array:
    """Return the probability that each mean lies below each other, [m, m]."""
    from scipy.special import stdtr

    gaps = means - means[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(gaps == 0, 0.0, gaps / errors)
    found: Array = stdtr(dof, statistic)
    np.fill_diagonal(found, 0.5)
    return found


def paired_errors(scores: Sequence[RecordedScore]) -> tuple[Array, Array]:
    """Return the standard errors of the differences of scores and their degrees of freedom, [m, m] each.

    Scores whose jackknife replicates leave out the same blocks are paired, which removes their common noise; others are
    treated as independent.
    """
    kinds: dict[tuple[str, int], list[int]] = {}
    for place, score in enumerate(scores):
        kinds.setdefault((score.method, len(score.replicates)), []).append(place)
    if len(kinds) == 1:
        ((method, size),) = kinds
        if _pairs(method, size):
            return _paired([score.replicates for score in scores], method)
    errors = np.array([score.stderr for score in scores], np.float64)
    found, dof = np.hypot(errors[:, None], errors), np.full((len(scores), len(scores)), 1e9)
    for (method, size), places in kinds.items():
        if _pairs(method, size):
            pairs = np.ix_(places, places)
            found[pairs], dof[pairs] = _paired([scores[place].replicates for place in places], method)
    return found, dof


def mean_error(scores: Sequence[RecordedScore]) -> float:
    """Return the standard error of the mean of scores due to evaluation; noise that they share does not average out."""
    size = len(scores[0].replicates)
    if _pairs(scores[0].method, size) and {(s.method, len(s.replicates)) for s in scores} == {(scores[0].method, size)}:
        covariance = delete_one_covariance([score.replicates for score in scores], scores[0].method)
        return float(np.sqrt(covariance.mean()))
    return float(np.linalg.norm([score.stderr for score in scores])) / len(scores)


def _paired(replicates: Sequence[Sequence[float]], method: str) -> tuple[Array, Array]:
    """The standard errors of differences between values with paired replicates, and their degrees of freedom."""
    squared = delete_one_covariance(replicates, method)
    variance, dof = squared.diagonal().copy(), len(replicates[0]) // _samples(method) - 1
    squared *= -2
    squared += variance
    squared += variance[:, None]
    np.sqrt(squared.clip(min=0, out=squared), out=squared)
    return squared, np.broadcast_to(np.float64(dof), squared.shape)


def delete_one_covariance(replicates: Sequence[Sequence[float]], method: str) -> Array:
    """Return the jackknife covariance [m, m] of values from their delete-one-block replicates.

    For a "two-sample" method the first half of the replicates is of the real set, the second of the generated set.
    """
    values = np.asarray(replicates, np.float64).reshape(len(replicates), _samples(method), -1)
    size = values.shape[2]
    centred = (values - values.mean(axis=2, keepdims=True)).reshape(len(replicates), -1)
    found: Array = (size - 1) / size * (centred @ centred.T)
    return found


def _pairs(method: str, size: int) -> bool:
    """Whether a number of replicates is valid for the method and enough for a standard error."""
    return size % _samples(method) == 0 and size // _samples(method) >= 2


def _samples(method: str) -> int:
    return 2 if "two-sample" in method else 1


@functools.lru_cache(maxsize=256)
def studentized_range(probability: float, groups: int, dof: float) -> float:
    """Return a quantile of the studentized range of ``groups`` normals with ``dof`` degrees of freedom, maybe inf.

    By bisection of the distribution function, integrated on fixed nodes; importing scipy.stats for it takes seconds.
    """
    low, high = 0.0, 1.0
    while _range_below(high, groups, dof) < probability:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _range_below(middle, groups, dof) < probability else (low, middle)
    return high


def _range_below(q: float, groups: int, dof: float) -> float:
    """Return the distribution function of the studentized range at q."""
    from scipy.special import gammaln, ndtr

    nodes, weights = np.polynomial.legendre.leggauss(128)
    if np.isinf(dof):
        s, density = np.ones(1), np.ones(1)
    else:
        top = 1 + 10 / np.sqrt(2 * dof)
        share = (nodes + 1) / 2  # squared: the integrand of a wide range is concentrated near zero
        s = top * share**2
        density = (
            weights
            * top
            * share
            * np.exp(np.log(2) + dof / 2 * np.log(dof / 2) - gammaln(dof / 2) + (dof - 1) * np.log(s) - dof * s**2 / 2)
        )
    z, z_weights = 9 * nodes, 9 * weights
    normal = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    inside = (ndtr(z) - ndtr(z - q * s[:, None])) ** (groups - 1)
    return float(density @ (groups * inside @ (z_weights * normal)))
