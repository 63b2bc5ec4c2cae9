"""The Frechet distance extrapolated to infinitely many generated samples (Chong & Forsyth 2020, arXiv:1911.07023)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError, UsageError
from genkit.metrics import jackknife
from genkit.metrics.delete_block import not_zero
from genkit.metrics.frechet import Gaussian, distance, fitted_pair, product
from genkit.metrics.moments import Array, Moments
from genkit.results.score import Score
from genkit.seeds import derive

_ROWS = 4096
_LEAST = 30
_STRAIGHT = 5
"""Times as many samples as features, from which on the distance is a line in 1/N; before, a parabola is nearer."""


def frechet_distance_infinity(
    real: Any, generated: Any, *, sizes: int = 15, seed: int = 0, blocks: int = jackknife.BLOCKS
) -> Score:
    """Return the intercept of a line in 1/N through distances at ``sizes`` numbers of generated samples; 0 is best.

    The distance that endless samples would have (Chong and Forsyth 2020, arXiv:1911.07023).
    Features [n, d] (or a ``Gaussian`` fitted to them) and [m, d]. The sizes are equally spaced from min(5000, m // 10)
    to m, their samples drawn without replacement by generators derived from ``seed``. It may be below 0, and the bias
    of the real set's size stays in it. The interval is for the distance from the real set *as it is*: noise of the
    generated set alone, to first order, by a block jackknife, or of the line's residuals where they are wider, as for
    a set with itself, at which the first order vanishes. The line bends where samples are not many times the number of
    features: ``note`` says so, and how far a parabola's intercept lies apart counts as a standard error. Replicates:
    without each block of the generated set, to first order; none where that is not the noise that counts. Either set of
    no more rows than columns is measured but not rankable. Raises DataError or UsageError for features that can't be
    measured, fewer than 30 generated rows or 3 sizes.
    """
    reference, whole = fitted_pair(real, generated)
    assert whole.features is not None
    rows = whole.features
    n, d = rows.shape
    if n < _LEAST:
        raise DataError(f"generated features has {n} rows; at least {_LEAST} are needed to extrapolate from subsets")
    if sizes < 3:
        raise UsageError(f"sizes must be 3 or more, not {sizes}")
    counts = np.linspace(min(5000, max(n // 10, 2)), n, sizes).astype(int).clip(min=3)
    subsets = [
        np.random.default_rng(derive(seed, "frechet-infinity", index)).permutation(n)[:count]
        for index, count in enumerate(counts)
    ]
    weights = _intercept(1 / counts)
    distances = np.array([distance(reference, _fit(rows, subset)) for subset in subsets])
    value = float(weights @ distances)
    influence = _influence(reference, whole)
    count = jackknife.number_of_blocks(blocks, int(counts[0]))
    labels = jackknife.block_of(n, count)

    def linear(kept: NDArray[np.bool_]) -> float:
        """The first order of the intercept over the rows kept."""
        means = [influence[subset[kept[subset]]].mean() for subset in subsets]
        return float(weights @ means)

    everything = linear(np.ones(n, dtype=bool))
    deleted = [value + linear(labels != block) - everything for block in range(count)]
    score = jackknife.one_sample_score(value, deleted, n)
    scatter, quantile = _scatter(1 / counts, distances, weights), jackknife.t_quantile(sizes - 2)
    half, stderr = max((score.ci_high - value, score.stderr), (quantile * scatter, scatter))
    first_order = stderr == score.stderr
    note = f"from {counts[0]} to {n} samples of {d} features"
    if counts[0] < _STRAIGHT * d:
        bend = abs(float(np.polyval(np.polyfit(1 / counts, distances, 2), 0.0)) - value)
        half, stderr = math.hypot(half, quantile * bend), math.hypot(stderr, bend)
        first_order = False
        note = f"{counts[0]} samples are few for {d} features, and the line in 1/N bends there; {note}"
    assert reference.features is not None
    fewest = min(n, len(reference.features))
    if fewest <= d:
        note = f"{fewest} rows are too few to rank by with {d} features; {note}"
    return dataclasses.replace(
        score,
        stderr=stderr,
        ci_low=value - half,
        ci_high=value + half,
        replicates=score.replicates if first_order else (),
        method="first-order block jackknife of the generated set, residuals and bend of the line",
        note=note,
        rankable=fewest > d,
    )


def _fit(rows: NDArray[Any], subset: NDArray[np.intp]) -> Gaussian:
    """Fit a Gaussian to some of the rows, which are copied a part at a time."""
    if len(subset) <= rows.shape[1]:
        return Gaussian.fit(rows[subset])
    moments = Moments()
    for start in range(0, len(subset), _ROWS):
        moments.update(rows[subset[start : start + _ROWS]])
    return Gaussian(moments.mean, moments.cov)


def _intercept(x: Array) -> Array:
    """Return the weights of values at ``x`` in the intercept of their least-squares line."""
    centred = x - x.mean()
    weights: Array = 1 / len(x) - x.mean() * centred / (centred @ centred)
    return weights


def _scatter(x: Array, values: Array, weights: Array) -> float:
    """Return the standard error of the intercept of the least-squares line, from the values' residuals."""
    residuals = values - np.polyval(np.polyfit(x, values, 1), x)
    return float(np.sqrt(residuals @ residuals / (len(x) - 2)) * np.linalg.norm(weights))


def _influence(reference: Gaussian, whole: Gaussian) -> Array:
    """Return the derivative of the distance with respect to the weight of each generated row, [n], of mean 0.

    2 (m2 - m1).v + v^T (1 - F) v for a row v about the mean, where F = A (A^T S2 A)^(-1/2) A^T and S1 = A A^T.
    """
    values, vectors = np.linalg.eigh(product(reference, whole))
    kept = not_zero(values) > 0
    basis = reference.root @ (vectors[:, kept] / values[kept] ** 0.25)
    shift = 2 * (whole.mean - reference.mean)
    assert whole.features is not None
    parts = []
    for start in range(0, len(whole.features), _ROWS):
        rows = np.asarray(whole.features[start : start + _ROWS], np.float64) - whole.mean
        parts.append(rows @ shift + np.square(rows).sum(axis=1) - np.square(rows @ basis).sum(axis=1))
    influence: Array = np.concatenate(parts)
    influence -= influence.mean()
    return influence
