"""The comparison of models of several training seeds: the Tukey-Kramer test with one pooled variance."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genkit.ranking.significance import LEVEL, Array, Counts, Decisions, chances, counted, some_rows


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
        return np.concatenate([self._decisions(rows, level) for rows in some_rows(len(self.means))])

    def counts(self, level: float = LEVEL) -> Counts:
        """Return how many models before and after each in the order differ significantly from it, [m] each."""
        parts = [counted(rows, self._decisions(rows, level)) for rows in some_rows(len(self.means))]
        return np.concatenate([before for before, _ in parts]), np.concatenate([after for _, after in parts])

    def _decisions(self, rows: slice, level: float) -> Decisions:
        margin = studentized_range(1 - level, len(self.means), self.dof) * self._errors(rows) / np.sqrt(2)
        found: Decisions = np.abs(self.means[rows, None] - self.means) > margin
        return found

    def chances(self, sign: int) -> Array:
        """Return the probability that each is better, [m, m], by Student's t with the pooled degrees of freedom."""
        return chances(sign * self.means, self._errors(slice(None)), self.dof)

    def _errors(self, rows: slice) -> Array:
        """Return the standard errors of differences, [rows, m], or [1, 1] if all models have as many seeds."""
        same = len(self.sizes) > 0 and np.ptp(self.sizes) == 0
        one, other = (self.sizes[:1, None], self.sizes[:1]) if same else (self.sizes[rows, None], self.sizes)
        found: Array = np.sqrt(self.variance * (1 / one + 1 / other))
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


@functools.cache
def _nodes() -> tuple[Array, Array]:
    """Return nodes and weights of Gauss-Legendre quadrature on [-1, 1]."""
    return np.polynomial.legendre.leggauss(128)


def _range_below(q: float, groups: int, dof: float) -> float:
    """Return the distribution function of the studentized range at q."""
    from scipy.special import gammaln, ndtr

    nodes, weights = _nodes()
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
