"""The Frechet distance between Gaussians fitted to two sets of features, with an interval.

d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)  (Dowson & Landau 1982; Heusel et al. 2017, arXiv:1706.08500)

With S1 = A A^T the last trace is the sum of square roots of the eigenvalues of the symmetric A^T S2 A, of as many rows
as A has columns: no imaginary part to drop, nothing added to a diagonal.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError, UsageError
from genkit.metrics import jackknife
from genkit.metrics.arrays import checked, checked_pair
from genkit.metrics.delete_block import not_zero, trace_of_root
from genkit.metrics.moments import Array, Moments
from genkit.results.score import Score

_EPSILON = float(np.finfo(np.float64).eps)
_RANK_TOLERANCE = 1e-10
"""Eigenvalues below this part of the largest are rounding of float32 features."""


class Gaussian:
    """A Gaussian: mean [d], covariance [d, d] and a root A [d, r], A A^T = covariance; thin (r < d) if it is singular.

    One that is fitted to features can stand for the real set in ``frechet_distance``: what many models are compared
    with is then fitted, factored and ranked once. ``to_arrays`` and ``from_arrays`` keep it beside its features, which
    are not among the arrays.
    """

    def __init__(
        self,
        mean: Array,
        cov: Array | None = None,
        root: Array | None = None,
        *,
        features: NDArray[Any] | None = None,
        ddof: int = 1,
    ) -> None:
        self.mean = mean
        self.features = features
        self.ddof = ddof
        self._cov = cov
        self._root = root

    @classmethod
    def fit(cls, features: Any, *, ddof: int = 1) -> Gaussian:
        """Fit to features, an array or tensor [n, d]; the covariance divides by n - ddof (1, or 0 as stylegan3 does).

        Raises DataError or UsageError for features that can't be measured (NaN, fewer than 3 rows).
        """
        if ddof not in (0, 1):
            raise UsageError(f"ddof must be 0 or 1, not {ddof}")
        array = checked(features, "features", ndim=2, at_least=3)
        if len(array) > array.shape[1]:
            moments = Moments().update(array)
            cov = moments.cov * ((len(array) - 1) / (len(array) - ddof))
            return cls(moments.mean, cov, features=array, ddof=ddof)
        rows = np.asarray(array, np.float64)
        mean = rows.mean(axis=0)
        return cls(mean, root=(rows - mean).T / math.sqrt(len(rows) - ddof), features=array, ddof=ddof)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], features: NDArray[Any]) -> Gaussian:
        """Take up what ``to_arrays`` gave, with the features it was fitted to (memory-mapped is fine).

        Raises DataError if the features are not as many.
        """
        shape = int(arrays["count"]), len(arrays["mean"])
        if features.shape != shape:
            raise DataError(f"the kept fit is of {list(shape)} features, not of {list(features.shape)}: fit it again")
        fit = cls(arrays["mean"], arrays.get("cov"), arrays["root"], features=features, ddof=int(arrays["ddof"]))
        fit.__dict__["rank"] = int(arrays["rank"])
        return fit

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that a fit to features costs, its features left out: float64 arrays and three whole numbers."""
        assert self.features is not None, "only a fit to features is kept"
        numbers = {"count": len(self.features), "ddof": self.ddof, "rank": self.rank}
        arrays: dict[str, NDArray[Any]] = {name: np.array(number) for name, number in numbers.items()}
        if self._cov is not None:
            arrays["cov"] = self._cov
        return arrays | {"mean": self.mean, "root": self.root}

    @functools.cached_property
    def cov(self) -> Array:
        """The covariance [d, d]."""
        if self._cov is None:
            assert self._root is not None
            return self._root @ self._root.T
        return self._cov

    @functools.cached_property
    def root(self) -> Array:
        """Cholesky's factor; of a singular covariance, the eigenvectors scaled by the roots of what is not zero.

        Of fewer features than columns the centred rows themselves.
        """
        if self._root is not None:
            return self._root
        try:
            factor = np.asarray(np.linalg.cholesky(self.cov), np.float64)
            if factor.diagonal().min() ** 2 > len(factor) * _EPSILON * self.cov.diagonal().max():
                return factor
        except np.linalg.LinAlgError:
            pass
        values, vectors = np.linalg.eigh(self.cov)
        values = not_zero(values)
        root: Array = vectors[:, values > 0] * np.sqrt(values[values > 0])
        return root

    @functools.cached_property
    def rank(self) -> int:
        """In how many directions the features vary: eigenvalues above 1e-10 of the largest."""
        if not self.few:
            try:
                np.linalg.cholesky(self.cov - _RANK_TOLERANCE * self.trace * np.eye(len(self.mean)))
                return len(self.mean)  # the trace is no less than the largest eigenvalue
            except np.linalg.LinAlgError:
                pass
        gram = self.root.T @ self.root if self.thin else self.cov
        values = np.linalg.eigvalsh(gram) if gram.size else np.zeros(1)
        return int((values > _RANK_TOLERANCE * values[-1]).sum()) if values[-1] > 0 else 0

    @property
    def few(self) -> bool:
        """Whether the rows themselves are the root: there are no more of them than columns."""
        return self._cov is None

    @property
    def thin(self) -> bool:
        """Whether the root has fewer columns than rows: the covariance is singular."""
        return bool(self.root.shape[1] < len(self.mean))

    @property
    def trace(self) -> float:
        """The trace of the covariance."""
        return float(np.square(self.root).sum() if self.few else np.trace(self.cov))


def frechet(m1: Array, S1: Array, m2: Array, S2: Array) -> float:  # noqa: N803
    """Return the Frechet distance of two Gaussians from means [d] and covariances [d, d]."""
    one, two = (Gaussian(np.asarray(m, np.float64), np.asarray(s, np.float64)) for m, s in ((m1, S1), (m2, S2)))
    return distance(one, two)


def distance(one: Gaussian, two: Gaussian) -> float:
    """Return the Frechet distance of two Gaussians; of two with many rows only the first one's root is computed."""
    if two.few and not (one.few and one.root.shape[1] <= two.root.shape[1]):
        one, two = two, one
    values = np.linalg.eigvalsh(product(one, two))
    return _assembled(one.mean - two.mean, one.trace + two.trace, float(np.sqrt(not_zero(values)).sum()))


def frechet_distance(
    real: Any, generated: Any, *, ddof: int = 1, mean_dtype: str = "float64", blocks: int = jackknife.BLOCKS
) -> Score:
    """Return the Frechet distance of two feature sets, arrays or tensors [n, d] and [m, d]; 0 is best.

    ``|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)`` of their means and covariances, in squared units of the
    features (Heusel et al. 2017, arXiv:1706.08500, equation 6).
    ``real`` may be a ``Gaussian`` fitted to the real set before. ``value`` is the plain plug-in distance, the number
    that reference implementations give: ``ddof=0`` as stylegan3, ``mean_dtype="float32"`` with the means of
    torch-fidelity and clean-fid, which are summed in single precision. It is biased upwards, the more so the smaller
    the sets; the interval is for the distance itself, with that bias removed by a two-sample block jackknife (at least
    3 blocks), so ``value`` may lie above it. Replicates: the distance without each block of the real set, then of the
    generated one. A set of no more rows than columns is measured but not rankable: its bias is not known, so its
    interval begins at 0. Raises DataError or UsageError for
    features that can't be measured (NaN, fewer than 3 rows, widths that differ).
    """
    if mean_dtype not in ("float64", "float32"):
        raise UsageError(f"mean_dtype must be float64 or float32, not {mean_dtype}")
    one, two = fitted_pair(real, generated, ddof)
    assert one.features is not None
    assert two.features is not None
    n, d = min(len(one.features), len(two.features)), len(one.mean)
    count = jackknife.number_of_blocks(max(blocks, 3), n)
    trace_of_product, generated_deleted = _without_blocks(one, two, count)
    _, real_deleted = _without_blocks(two, one, count)
    offset: NDArray[Any] = one.mean - two.mean
    if mean_dtype == "float32":
        offset = np.asarray(one.features.mean(axis=0, dtype=np.float32) - two.features.mean(axis=0, dtype=np.float32))
    note = f"effective rank: real {one.rank}, generated {two.rank} of {d}"
    if n <= d:
        note = f"{n} rows are too few to rank by with {d} features; {note}"
    return jackknife.corrected_two_sample_score(
        _assembled(offset, one.trace + two.trace, trace_of_product),
        real_deleted,
        generated_deleted,
        n=len(two.features),
        note=note,
        rankable=n > d,
    )


def fitted_pair(real: Any, generated: Any, ddof: int = 1) -> tuple[Gaussian, Gaussian]:
    """Return Gaussians of real and generated features, either possibly fitted before; raises as they do."""
    for given in (real, generated):
        if isinstance(given, Gaussian) and given.features is None:
            raise UsageError("a Gaussian without features has no interval: make it by Gaussian.fit(features)")
        if isinstance(given, Gaussian) and given.ddof != ddof:
            raise UsageError(f"the features were fitted with ddof {given.ddof}, not {ddof}: fit them again")
    both = [given.features if isinstance(given, Gaussian) else given for given in (real, generated)]
    one, two = checked_pair(*both, at_least=3)
    return (
        real if isinstance(real, Gaussian) else Gaussian.fit(one, ddof=ddof),
        generated if isinstance(generated, Gaussian) else Gaussian.fit(two, ddof=ddof),
    )


def product(one: Gaussian, two: Gaussian) -> Array:
    """Return A^T S2 A [r, r], of which only the lower triangle is to be read; its eigenvalues are those of S1 S2."""
    if two.few:
        half: Array = one.root.T @ two.root
        return half @ half.T
    if one.thin or np.triu(one.root, 1).any():
        return one.root.T @ two.cov @ one.root
    from scipy.linalg import lapack

    # LAPACK's product with a triangular factor takes less than half the time of two general ones.
    triangle: Array = lapack.dsygst(two.cov, one.root, itype=2, lower=1)[0]
    return triangle


def _without_blocks(fixed: Gaussian, other: Gaussian, blocks: int) -> tuple[float, list[float]]:
    """Return tr (S1 S2)^(1/2), and the distances of ``fixed`` from ``other`` without each block of its features.

    Without m of n rows, V about the mean and of sum s, the mean moves by -s / (n - m) and S becomes c (S - U^T U) with
    U = [V; s / (n - m)^(1/2)] / (n - ddof)^(1/2) and c = (n - ddof) / (n - m - ddof). In the eigenvectors P of A^T S A
    that leaves c (D - R^T R) with R = U A P: nothing of d^3 is repeated as long as the rows are few.
    """
    values, vectors = np.linalg.eigh(product(fixed, other))
    kept = not_zero(values) > 0
    values, basis = values[kept], fixed.root @ vectors[:, kept]
    assert other.features is not None
    size, deleted = len(other.features) - other.ddof, []
    labels = jackknife.block_of(len(other.features), blocks)
    for block in range(blocks):
        rows = np.asarray(other.features[labels == block], np.float64) - other.mean
        total, rest = rows.sum(axis=0), len(other.features) - len(rows)
        taken = np.vstack([rows, total / math.sqrt(rest)]) / math.sqrt(size)
        growth = size / (rest - other.ddof)
        traces = fixed.trace + growth * (other.trace - float(np.square(taken).sum()))
        root = math.sqrt(growth) * trace_of_root(values, taken @ basis)
        deleted.append(_assembled(fixed.mean - other.mean + total / rest, traces, root))
    return float(np.sqrt(values).sum()), deleted


def _assembled(offset: NDArray[Any], traces: float, trace_of_product: float) -> float:
    return max(float(offset @ offset) + traces - 2 * trace_of_product, 0.0)
