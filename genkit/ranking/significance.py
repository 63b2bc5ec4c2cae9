"""Significance tests between many models, corrected for multiple comparisons.

With several training seeds: the Tukey-Kramer test (1956), with one variance pooled over the models, since a few seeds
are too few to estimate one per model; it assumes equal variances. With one seed each: paired t-tests over the blocks
of the evaluation, with Holm's correction (1979). Both keep the family-wise error rate of a board at 5 %.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from genkit.results.records import RecordedScore

Array = NDArray[np.float64]
Decisions = NDArray[np.bool_]

Places = NDArray[np.int64]
Counts = tuple[NDArray[np.int64], NDArray[np.int64]]

LEVEL = 0.05

AT_ONCE = 1 << 18
"""Pairs of models that are in memory at a time."""


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

    def counts(self, level: float = LEVEL) -> Counts:
        """Return how many models before and after each in the order differ significantly from it, [m] each.

        It needs no [m, m] matrix in memory.
        """

    def chances(self, sign: int) -> Array:
        """Return the probability that each is better than each other, [m, m]; ``sign`` 1 if lower is better, else -1.

        Pairwise, from the noise alone: no prior, no correction for multiple comparisons.
        """


def some_rows(size: int) -> Iterator[slice]:
    """Yield rows of a [size, size] matrix, ``AT_ONCE`` elements or one row at a time."""
    step = max(1, AT_ONCE // max(1, size))
    return (slice(start, min(start + step, size)) for start in range(0, size, step))


def counted(rows: slice, found: Decisions) -> Counts:
    """Return how many are found before and after each row in some rows of a matrix."""
    size = found.shape[1]
    before = np.count_nonzero(found & (np.arange(size) < np.arange(size)[rows, None]), axis=1)
    after = np.count_nonzero(found & (np.arange(size) > np.arange(size)[rows, None]), axis=1)
    return before, after


@dataclass(frozen=True)
class EvaluationNoise:
    """A comparison of values [m] of one seed each by evaluation noise: a t-test of each pair.

    ``errors`` [m, m] are the standard errors of the differences and ``dof`` [m, m] their degrees of freedom, both
    from ``paired_errors``.
    """

    values: Array
    errors: Array | Pairs
    dof: Array | Pairs

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
        """Return which values differ significantly, [m, m], with Holm's correction over all pairs."""
        found = np.zeros((len(self.values),) * 2, bool)
        for rows, statistic, dof in self._statistics():
            found[rows, rows.start :] = statistic >= self._least(dof, level / max(1, self._pairs))
        _, one, other = self._holm(level)
        found[one, other] = True
        found |= found.T
        return found

    def counts(self, level: float = LEVEL) -> Counts:
        """Return how many values before and after each in the order differ significantly from it, [m] each."""
        (before, after), one, other = self._holm(level)
        np.add.at(after, one, 1)
        np.add.at(before, other, 1)
        return before, after

    @property
    def _pairs(self) -> int:
        return len(self.values) * (len(self.values) - 1) // 2

    def _holm(self, level: float) -> tuple[Counts, NDArray[np.int64], NDArray[np.int64]]:
        """Decide by Holm's procedure: the counts of pairs that pass its strictest level, and the other pairs that pass.

        Of the rest only those are sorted that may pass: where few do, these are the ones that pass Bonferroni's level
        of the pairs that are left.
        """
        from scipy.special import stdtr

        strict, mild, most = level / max(1, self._pairs), level, 8 * AT_ONCE
        while True:
            counts, number, found = self._sift(strict, mild, most)
            sure = int(counts[0].sum())
            narrower = level / max(1, self._pairs - sure - number)
            if number <= most:
                break
            mild, most = (narrower, most) if narrower < 0.99 * mild else (mild, number)
        while number:
            passing = found[2] >= self._least(found[3], level / max(1, self._pairs - sure - number))
            found = [part[passing] for part in found]
            if len(found[0]) == number:
                break
            number = len(found[0])
        one, other, statistic, dof = found
        p_values = 2 * stdtr(dof, -statistic)
        order = np.argsort(p_values, kind="stable")
        passed = p_values[order] <= level / (self._pairs - sure - np.arange(len(order)))
        kept = order[: len(order) if passed.all() else int(passed.argmin())]
        return counts, one[kept], other[kept]

    def _sift(self, strict: float, mild: float, most: int) -> tuple[Counts, int, list[Any]]:
        """Count the pairs that pass the level ``strict`` by row, and those that pass ``mild`` alone.

        Also return the latter, up to ``most`` of them: places, statistics and degrees of freedom.
        """
        before, after = np.zeros((2, len(self.values)), np.int64)
        found: list[list[Any]] = [[np.empty(0, np.int64)] * 2 + [np.empty(0)] * 2]
        number = 0
        for rows, statistic, dof in self._statistics():
            sure = statistic >= self._least(dof, strict)
            after[rows] = np.count_nonzero(sure, axis=1)
            before[rows.start :] += np.count_nonzero(sure, axis=0)
            one, other = np.nonzero(~sure & (statistic >= self._least(dof, mild)))
            number += len(one)
            if number <= most:
                found.append([one + rows.start, other + rows.start, statistic[one, other], dof[one, other]])
        return (before, after), number, [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def _statistics(self) -> Iterator[tuple[slice, Array, Array]]:
        """Yield rows with the t values and degrees of freedom of their pairs with themselves and later rows.

        A pair that stands twice, or is one of a row with itself, has NaN.
        """
        for rows in some_rows(len(self.values)):
            later = slice(rows.start, None)
            statistic = np.abs(self.values[rows, None] - self.values[later])
            with np.errstate(divide="ignore", invalid="ignore"):
                statistic /= self.errors[rows, later]  # without noise inf, or NaN for equal values: never significant
            statistic[np.tril_indices(len(statistic))] = np.nan
            yield rows, statistic, self.dof[rows, later]

    @staticmethod
    def _least(dof: Array, level: float) -> Array:
        """The critical t value at a two-sided level: of the shape of ``dof``, or a scalar if all are equal."""
        from scipy.special import stdtrit

        if dof.size and dof.min() == dof.max():
            return np.asarray(-stdtrit(dof.flat[0], level / 2))
        kinds, places = np.unique(dof, return_inverse=True)
        found: Array = -stdtrit(kinds, level / 2)[places].reshape(dof.shape)
        return found

    def chances(self, sign: int) -> Array:
        """Return the probability that each is better, [m, m], by Student's t with each pair's degrees of freedom."""
        return chances(sign * self.values, self.errors[:, :], self.dof[:, :])


def chances(means: Array, errors: Array, dof: Array | int) -> Array:
    """Return the probability that each mean lies below each other, [m, m]."""
    from scipy.special import stdtr

    gaps = means - means[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(gaps == 0, 0.0, gaps / errors)
    found: Array = stdtr(dof, statistic)
    np.fill_diagonal(found, 0.5)
    return found


@dataclass(frozen=True)
class Pairs:
    """A matrix over pairs of scores, computed for the slices that are asked for: whole it may not fit into memory.

    With ``np.ix_`` it gives the matrix of some of the scores.
    """

    compute: Callable[[Places, Places], Array]
    rows: Places
    columns: Places

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at[0], np.ndarray):
            return dataclasses.replace(self, rows=self.rows[at[0].ravel()], columns=self.columns[at[1].ravel()])
        found = self.compute(np.atleast_1d(self.rows[at[0]]), np.atleast_1d(self.columns[at[1]]))
        return found if isinstance(at[0], slice) else found[0, 0]


def paired_errors(scores: Sequence[RecordedScore]) -> tuple[Pairs, Pairs]:
    """Return the standard errors of the differences of scores and their degrees of freedom, [m, m] each.

    Scores whose jackknife replicates leave out the same blocks are paired, which removes their common noise; others are
    treated as independent.
    """
    kinds: dict[tuple[str, int], list[int]] = {}
    for place, score in enumerate(scores):
        kinds.setdefault((score.method, len(score.replicates)), []).append(place)
    size, most = len(scores), max((number for _, number in kinds), default=0)
    stderr = np.array([score.stderr for score in scores], np.float64)
    kind, dof, factor, centred = np.full(size, -1), np.full(size, 1e9), np.zeros(size), np.zeros((size, most))
    for each, ((method, number), places) in enumerate(kinds.items()):
        if _pairs(method, number):
            kind[places], blocks = each, number // _samples(method)
            dof[places], factor[places] = blocks - 1, (blocks - 1) / blocks
            centred[places, :number] = _centred([scores[place].replicates for place in places], method)
    variance = factor * np.einsum("ij,ij->i", centred, centred)
    alike = size > 0 and kind.min() == kind.max() >= 0

    def errors(rows: Places, columns: Places) -> Array:
        found: Array = centred[rows] @ centred[columns].T
        found *= -2 * factor[rows, None]
        found += variance[columns]
        found += variance[rows, None]
        np.sqrt(found.clip(min=0, out=found), out=found)
        return found if alike else np.where(paired(rows, columns), found, np.hypot(stderr[rows, None], stderr[columns]))

    def freedom(rows: Places, columns: Places) -> Array:
        if alike:
            return np.broadcast_to(dof[0], (len(rows), len(columns)))
        return np.where(paired(rows, columns), dof[rows, None], 1e9)

    def paired(rows: Places, columns: Places) -> Decisions:
        same: Decisions = (kind[rows, None] == kind[columns]) & (kind[rows, None] >= 0)
        return same

    whole = np.arange(size)
    return Pairs(errors, whole, whole), Pairs(freedom, whole, whole)


def mean_error(scores: Sequence[RecordedScore]) -> float:
    """Return the standard error of the mean of scores due to evaluation; noise that they share does not average out."""
    size = len(scores[0].replicates)
    if _pairs(scores[0].method, size) and {(s.method, len(s.replicates)) for s in scores} == {(scores[0].method, size)}:
        covariance = delete_one_covariance([score.replicates for score in scores], scores[0].method)
        return float(np.sqrt(covariance.mean()))
    return float(np.linalg.norm([score.stderr for score in scores])) / len(scores)


def delete_one_covariance(replicates: Sequence[Sequence[float]], method: str) -> Array:
    """Return the jackknife covariance [m, m] of values from their delete-one-block replicates.

    For a "two-sample" method the first half of the replicates is of the real set, the second of the generated set.
    """
    centred, size = _centred(replicates, method), len(replicates[0]) // _samples(method)
    found: Array = (size - 1) / size * (centred @ centred.T)
    return found


def _centred(replicates: Sequence[Sequence[float]], method: str) -> Array:
    values = np.asarray(replicates, np.float64).reshape(len(replicates), _samples(method), -1)
    found: Array = (values - values.mean(axis=2, keepdims=True)).reshape(len(replicates), -1)
    return found


def _pairs(method: str, size: int) -> bool:
    """Whether a number of replicates is valid for the method and enough for a standard error."""
    return size % _samples(method) == 0 and size // _samples(method) >= 2


def _samples(method: str) -> int:
    return 2 if "two-sample" in method else 1
