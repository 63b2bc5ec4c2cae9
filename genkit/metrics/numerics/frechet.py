"""The Frechet distance between Gaussians fitted to two sets of features, with an interval.

d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)  (Dowson & Landau 1982; Heusel et al. 2017, arXiv:1706.08500)

With S1 = A A^T, the last trace is the sum of the square roots of the eigenvalues of the symmetric matrix A^T S2 A:
there is no imaginary part to drop, and nothing is added to a diagonal.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError, UsageError
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import check_gaussian, checked, checked_pair
from genkit.metrics.numerics.delete_block import centred, trace_of_root, without_rounding
from genkit.metrics.numerics.moments import Array, Moments
from genkit.metrics.numerics.repeats import Repeats
from genkit.results.score import Score

_EPSILON = float(np.finfo(np.float64).eps)
_RANK_TOLERANCE = 1e-10
"""Eigenvalues below this fraction of the largest are rounding errors of float32 features."""


class FeatureStatistics:
    """Mean [d], covariance [d, d] and a root A [d, r] of the covariance: A A^T, with r < d if it is singular.

    Fitted to the features of the real set, it can be given to ``frechet_distance`` in their place: a reference that
    many models are compared with is then fitted and factored once. ``to_arrays`` and ``from_arrays`` store it without
    the features. Also made of a mean and a covariance alone, as in files of other packages; distances from these have
    no interval. Raises DataError or UsageError for wrong shapes, NaN, or a covariance that is not symmetric.
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
        self.mean = np.asarray(mean, np.float64)
        self.features = features
        self.ddof = ddof
        self._cov = None if cov is None else np.asarray(cov, np.float64)
        self._root = root
        if features is None:
            check_gaussian(self.mean, self._cov)

    @classmethod
    def fit(cls, features: Any, *, ddof: int = 1) -> FeatureStatistics:
        """Fit to features, an array or tensor [n, d]; the covariance divides by n - ddof (1, or 0 as stylegan3 does).

        Raises DataError or UsageError for invalid features (NaN, fewer than 3 rows).
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
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], features: NDArray[Any]) -> FeatureStatistics:
        """Restore what ``to_arrays`` returned, with the features it was fitted to (possibly memory-mapped).

        Raises DataError if the features have another shape.
        """
        shape = int(arrays["count"]), len(arrays["mean"])
        if features.shape != shape:
            raise DataError(f"the kept fit is of {list(shape)} features, not of {list(features.shape)}: fit it again")
        fit = cls(arrays["mean"], arrays.get("cov"), arrays["root"], features=features, ddof=int(arrays["ddof"]))
        fit.__dict__["rank"] = int(arrays["rank"])
        return fit

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fit without its features: float64 arrays and three integers."""
        assert self.features is not None, "only a fit to features is stored"
        numbers = {"count": len(self.features), "ddof": self.ddof, "rank": self.rank}
        arrays: dict[str, NDArray[Any]] = {name: np.array(number) for name, number in numbers.items()}
        if self._cov is not None:
            arrays["cov"] = self._cov
        return arrays | {"mean": self.mean, "root": self.root}

    @functools.cached_property
    def repeats(self) -> Repeats:
        """Which of the features' rows are equal."""
        assert self.features is not None
        return Repeats.of(self.features)

    @functools.cached_property
    def cov(self) -> Array:
        """The covariance [d, d]."""
        if self._cov is None:
            assert self._root is not None
            return self._root @ self._root.T
        return self._cov

    @functools.cached_property
    def root(self) -> Array:
        """The Cholesky factor, or for a singular covariance the eigenvectors times the roots of nonzero eigenvalues.

        With no more rows than columns, the centred rows themselves.
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
        values = without_rounding(values)
        root: Array = vectors[:, values > 0] * np.sqrt(values[values > 0])
        return root

    @functools.cached_property
    def rank(self) -> int:
        """The effective rank of the covariance: the number of eigenvalues above 1e-10 of the largest."""
        if not self.fewer_rows_than_features:
            try:
                np.linalg.cholesky(self.cov - _RANK_TOLERANCE * self.trace * np.eye(len(self.mean)))
                return len(self.mean)  # the trace is at least the largest eigenvalue
            except np.linalg.LinAlgError:
                pass
        gram = self.root.T @ self.root if self.thin else self.cov
        values = np.linalg.eigvalsh(gram) if gram.size else np.zeros(1)
        return int((values > _RANK_TOLERANCE * values[-1]).sum()) if values[-1] > 0 else 0

    @property
    def fewer_rows_than_features(self) -> bool:
        """Whether the centred rows themselves are the root, as there are no more of them than columns."""
        return self._cov is None

    @property
    def thin(self) -> bool:
        """Whether the root has fewer columns than rows, as the covariance is singular."""
        return bool(self.root.shape[1] < len(self.mean))

    @property
    def single_mean(self) -> NDArray[np.float32]:
        """The mean summed in single precision if the features are known, else rounded to it."""
        single = self.mean.astype(np.float32)
        return single if self.features is None else self.features.mean(axis=0, dtype=np.float32)

    @property
    def trace(self) -> float:
        """The trace of the covariance."""
        return float(np.square(self.root).sum() if self.fewer_rows_than_features else np.trace(self.cov))


def frechet(m1: Array, S1: Array, m2: Array, S2: Array) -> float:  # noqa: N803
    """Return the Frechet distance of two Gaussians from means [d] and covariances [d, d]."""
    pairs = ((m1, S1), (m2, S2))
    return distance(*(FeatureStatistics(np.asarray(m, np.float64), np.asarray(s, np.float64)) for m, s in pairs))


def distance(one: FeatureStatistics, two: FeatureStatistics) -> float:
    """Return the Frechet distance of two Gaussians; if both have many rows, only the root of the first is computed."""
    if two.fewer_rows_than_features and not (one.fewer_rows_than_features and one.root.shape[1] <= two.root.shape[1]):
        one, two = two, one
    return _assembled(one.mean - two.mean, one.trace + two.trace, _trace_of_product(one, two))


def frechet_distance(
    real: Any,
    generated: Any,
    *,
    ddof: int = 1,
    mean_dtype: str = "float64",
    interval: bool = True,
    blocks: int = jackknife.BLOCKS,
) -> Score:
    """Return the Frechet distance of two feature sets, arrays or tensors [n, d] and [m, d]; 0 is best.

    ``|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)`` of their means and covariances, in squared units of the
    features (Heusel et al. 2017, arXiv:1706.08500, equation 6). ``real`` may be a ``FeatureStatistics`` fitted before.

    ``value`` is the plug-in estimate, the number that reference implementations give: ``ddof=0`` is stylegan3's,
    ``mean_dtype="float32"`` sums the means in single precision as torch-fidelity and clean-fid do. It is biased
    upwards, the more so the smaller the sets; the interval, from a two-sample block jackknife (at least 3 blocks), is
    for its average over other sets of these sizes, that bias included. Replicates: the distances without each block of
    the real set, then of the generated set. Sets with no more rows than columns are measured but not rankable; of a set
    that holds every row several times, only the different rows count. ``interval=False`` leaves out the jackknife, most
    of the work: the score then has no width and no replicates. With
    ``FeatureStatistics`` of mean and covariance alone there is no interval either, as it is not known how the images
    vary; such a value is not rankable. Raises DataError or UsageError for invalid features (NaN, fewer
    than 3 rows, different widths).
    """
    if mean_dtype not in ("float64", "float32"):
        raise UsageError(f"mean_dtype must be float64 or float32, not {mean_dtype}")
    if any(isinstance(each, FeatureStatistics) and each.features is None for each in (real, generated)):
        one, two = (
            each if isinstance(each, FeatureStatistics) else FeatureStatistics.fit(each, ddof=ddof)
            for each in (real, generated)
        )
        return _of_statistics(one, two, mean_dtype)
    one, two = fitted_pair(real, generated, ddof)
    assert one.features is not None
    assert two.features is not None
    n, d = min(one.repeats.independent, two.repeats.independent), len(one.mean)
    offset: NDArray[Any] = one.mean - two.mean
    if mean_dtype == "float32":
        offset = np.asarray(one.single_mean - two.single_mean)
    note = f"effective rank: real {one.rank}, generated {two.rank} of {d}"
    if n <= d:
        note = f"{n} rows are too few to rank by with {d} features; {note}"
    copies = [one.repeats.note("real"), two.repeats.note("generated")]
    note = "; ".join(filter(None, [note, *copies]))
    if not interval:
        value = _assembled(offset, one.trace + two.trace, _trace_of_product(one, two))
        return Score(value, 0.0, value, value, "none, as no interval was asked for", len(two.features), (), note, n > d)
    count = jackknife.number_of_blocks(max(blocks, 3), n)
    trace_of_product, generated_deleted = _without_blocks(one, two, count)
    _, real_deleted = _without_blocks(two, one, count)
    return jackknife.two_sample_score(
        _assembled(offset, one.trace + two.trace, trace_of_product),
        real_deleted,
        generated_deleted,
        n=len(two.features),
        note=note,
        rankable=n > d,
    ).within(0.0)


def fitted_pair(real: Any, generated: Any, ddof: int = 1) -> tuple[FeatureStatistics, FeatureStatistics]:
    """Return the statistics of real and generated features, either possibly fitted before; raises as ``fit`` does."""
    for given in (real, generated):
        if isinstance(given, FeatureStatistics) and given.features is None:
            raise UsageError("single features are needed, and statistics are given: give features, or measure fid")
        if isinstance(given, FeatureStatistics) and given.ddof != ddof:
            raise UsageError(f"the features were fitted with ddof {given.ddof}, not {ddof}: fit them again")
    both = [given.features if isinstance(given, FeatureStatistics) else given for given in (real, generated)]
    one, two = checked_pair(*both, at_least=3)
    return (
        real if isinstance(real, FeatureStatistics) else FeatureStatistics.fit(one, ddof=ddof),
        generated if isinstance(generated, FeatureStatistics) else FeatureStatistics.fit(two, ddof=ddof),
    )


NO_INTERVAL = "no interval: statistics do not say how many images they are of and how these vary"


def _of_statistics(one: FeatureStatistics, two: FeatureStatistics, mean_dtype: str) -> Score:
    """Return the distance where features of one or both are not known, with an empty interval and the reason."""
    if len(one.mean) != len(two.mean):
        raise UsageError(
            f"real features have {len(one.mean)} columns and generated features {len(two.mean)}: "
            "take both from one extractor"
        )
    value = distance(one, two)
    if mean_dtype == "float32":
        exact = one.mean - two.mean
        value = max(value - float(exact @ exact) + float(np.square(one.single_mean - two.single_mean).sum()), 0.0)
    n = next((len(each.features) for each in (two, one) if each.features is not None), 0)
    return Score(value, 0.0, value, value, NO_INTERVAL, n, note=NO_INTERVAL, rankable=False)


def product(one: FeatureStatistics, two: FeatureStatistics) -> Array:
    """Return A^T S2 A [r, r], whose eigenvalues are those of S1 S2; only its lower triangle is valid."""
    if two.fewer_rows_than_features:
        half: Array = one.root.T @ two.root
        return half @ half.T
    if one.thin or np.triu(one.root, 1).any():
        return one.root.T @ two.cov @ one.root
    from scipy.linalg import lapack

    # LAPACK's product with a triangular factor takes less than half the time of two general products.
    triangle: Array = lapack.dsygst(two.cov, one.root, itype=2, lower=1)[0]
    return triangle


def _trace_of_product(one: FeatureStatistics, two: FeatureStatistics) -> float:
    """Return tr (S1 S2)^(1/2)."""
    return float(np.sqrt(without_rounding(np.linalg.eigvalsh(product(one, two)))).sum())


def _without_blocks(fixed: FeatureStatistics, other: FeatureStatistics, blocks: int) -> tuple[float, list[float]]:
    """Return tr (S1 S2)^(1/2), and the distances of ``fixed`` from ``other`` without each block of its features.

    Let V be m of the n rows, centred, and s their sum. Without them the mean moves by -s / (n - m) and S becomes c (S -
    U^T U) with U = [V; s / (n - m)^(1/2)] / (n - ddof)^(1/2) and c = (n - ddof) / (n - m - ddof). In the basis of the
    eigenvectors P of A^T S A this is c (D - R^T R) with R = U A P: no O(d^3) step is repeated as long as m is small.
    """
    values, vectors = np.linalg.eigh(product(fixed, other))
    kept = without_rounding(values) > 0
    values, basis = values[kept], fixed.root @ vectors[:, kept]
    assert other.features is not None
    size, deleted = len(other.features) - other.ddof, []
    labels = other.repeats.blocks(blocks)
    for block in range(blocks):
        chosen = np.flatnonzero(labels == block)
        total, rows = centred(other.features, chosen, other.mean)
        rest = len(other.features) - len(chosen)
        taken = np.vstack([rows, total / math.sqrt(rest)]) / math.sqrt(size)
        growth = size / (rest - other.ddof)
        traces = fixed.trace + growth * (other.trace - float(np.square(taken).sum()))
        root = math.sqrt(growth) * trace_of_root(values, taken @ basis)
        deleted.append(_assembled(fixed.mean - other.mean + total / rest, traces, root))
    return float(np.sqrt(values).sum()), deleted


def _assembled(offset: NDArray[Any], traces: float, trace_of_product: float) -> float:
    return max(float(offset @ offset) + traces - 2 * trace_of_product, 0.0)
