"""The Frechet distance between Gaussians fitted to two sets of features, with an interval.

d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)  (Dowson & Landau 1982; Heusel et al. 2017, arXiv:1706.08500)

With S1 = A A^T the last trace is the sum of square roots of the eigenvalues of the symmetric A^T S2 A, or the sum of
singular values of A^T B with S2 = B B^T: no imaginary part to drop, nothing added to a diagonal.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.metrics import jackknife
from genkit.metrics.arrays import checked_pair
from genkit.metrics.moments import Array, Moments
from genkit.scores import Score

_EPSILON = float(np.finfo(np.float64).eps)
_RANK_TOLERANCE = 1e-10
"""Eigenvalues below this part of the largest are rounding of float32 features."""


class Gaussian:
    """Mean, covariance and a root A [d, r] with A A^T = covariance; thin (r < d) if the covariance is singular."""

    def __init__(self, mean: Array, cov: Array | None = None, root: Array | None = None) -> None:
        self.mean = mean
        self._cov = cov
        self._root = root

    @classmethod
    def of_rows(cls, rows: Array) -> Gaussian:
        """Fit to fewer rows than columns: the centred rows themselves are the root."""
        mean = rows.mean(axis=0)
        return cls(mean, root=(rows - mean).T / np.sqrt(len(rows) - 1))

    @functools.cached_property
    def cov(self) -> Array:
        """The covariance [d, d]."""
        if self._cov is None:
            assert self._root is not None
            return self._root @ self._root.T
        return self._cov

    @functools.cached_property
    def root(self) -> Array:
        """Cholesky's factor; of a singular covariance, the eigenvectors scaled by the roots of what is not zero."""
        if self._root is not None:
            return self._root
        size = len(self.cov)
        try:
            factor = np.asarray(np.linalg.cholesky(self.cov), np.float64)
            if factor.diagonal().min() ** 2 > size * _EPSILON * self.cov.diagonal().max():
                return factor
        except np.linalg.LinAlgError:
            pass
        values, vectors = np.linalg.eigh(self.cov)
        kept = values > size * _EPSILON * max(values[-1], 0.0)
        root: Array = vectors[:, kept] * np.sqrt(values[kept])
        return root

    @property
    def thin(self) -> bool:
        """Whether the covariance is singular."""
        return bool(self.root.shape[1] < len(self.mean))

    @property
    def trace(self) -> float:
        """The trace of the covariance."""
        return float(np.square(self._root).sum() if self._root is not None else np.trace(self.cov))

    def rank(self) -> int:
        """Return how many directions the features vary in: eigenvalues above 1e-10 of the largest."""
        root = self.root
        gram = root.T @ root if self.thin else self.cov
        values = np.linalg.eigvalsh(gram) if gram.size else np.zeros(1)
        return int((values > _RANK_TOLERANCE * values[-1]).sum()) if values[-1] > 0 else 0


def frechet(m1: Array, S1: Array, m2: Array, S2: Array) -> float:  # noqa: N803
    """Return the Frechet distance of two Gaussians from means [d] and covariances [d, d]."""
    one, two = (Gaussian(np.asarray(m, np.float64), np.asarray(s, np.float64)) for m, s in ((m1, S1), (m2, S2)))
    return _distance(one, two)


def frechet_distance(real: Any, generated: Any, *, blocks: int = jackknife.BLOCKS) -> Score:
    """Return the Frechet distance of two feature sets, arrays or tensors [n, d] and [m, d]; 0 is best.

    ``value`` is the plain plug-in distance (ddof 1), the number that reference implementations give. It is biased
    upwards, the more so the smaller the sets; the interval is for the distance itself, with that bias removed by a
    two-sample block jackknife, so ``value`` may lie above it. Replicates: the distance without each block of the real
    set, then of the generated one. A set of no more rows than columns is measured but not rankable. Raises DataError
    or UsageError for features that can't be measured (NaN, fewer than 3 rows, widths that differ).
    """
    one, two = checked_pair(real, generated, at_least=3)
    n, d = min(len(one), len(two)), one.shape[1]
    count = jackknife.number_of_blocks(blocks, n)
    real_fit, real_parts = _fits(one, count)
    generated_fit, generated_parts = _fits(two, count)
    value = _distance(real_fit, generated_fit)
    real_deleted = [_distance(generated_fit, real_parts(block)) for block in range(count)]
    generated_deleted = [_distance(real_fit, generated_parts(block)) for block in range(count)]
    corrected = value - jackknife.bias(value, real_deleted) - jackknife.bias(value, generated_deleted)
    stderr, low, high = jackknife.two_sample_interval(max(corrected, 0.0), real_deleted, generated_deleted)
    note = f"effective rank: real {real_fit.rank()}, generated {generated_fit.rank()} of {d}"
    if n <= d:
        note = f"{n} rows are too few to rank by with {d} features; {note}"
    return Score(
        value=value,
        stderr=stderr,
        ci_low=max(low, 0.0),
        ci_high=high,
        method="bias-corrected two-sample block jackknife",
        n=len(two),
        replicates=(*real_deleted, *generated_deleted),
        note=note,
        rankable=n > d,
    )


def _distance(one: Gaussian, two: Gaussian) -> float:
    """Of two full roots the first one's is used: pass the Gaussian that stays the same first."""
    offset = one.mean - two.mean
    distance = float(offset @ offset) + one.trace + two.trace - 2 * _trace_of_root(one, two)
    return max(distance, 0.0)


def _trace_of_root(one: Gaussian, two: Gaussian) -> float:
    if one.thin and two.thin:
        product = one.root.T @ two.root
        return float(np.linalg.svd(product, compute_uv=False).sum()) if product.size else 0.0
    if two.thin:
        one, two = two, one
    product = one.root.T @ two.cov @ one.root
    if not product.size:
        return 0.0
    values = np.linalg.eigvalsh((product + product.T) / 2)
    return float(np.sqrt(np.maximum(values, 0.0)).sum())


def _fits(features: NDArray[Any], blocks: int) -> tuple[Gaussian, Callable[[int], Gaussian]]:
    """Return the fit to all rows, and a function that fits all but one block of them."""
    if len(features) <= features.shape[1]:
        rows = np.asarray(features, np.float64)
        labels = jackknife.block_of(len(rows), blocks)
        return Gaussian.of_rows(rows), lambda block: Gaussian.of_rows(rows[labels != block])
    whole = Moments().update(features)

    def deleted(block: int) -> Gaussian:
        rest = whole.without(Moments(whole.shift).update(features[block::blocks]))
        return Gaussian(rest.mean, rest.cov)

    return Gaussian(whole.mean, whole.cov), deleted
