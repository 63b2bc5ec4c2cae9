"""FID infinity: the Frechet distance extrapolated to infinitely many samples (Chong & Forsyth 2020)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError, UsageError
from genkit.metrics.evidence import Evidence
from genkit.metrics.fid import reference_statistics
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.delete_block import without_rounding
from genkit.metrics.numerics.frechet import FeatureStatistics, distance, fitted_pair, product
from genkit.metrics.numerics.moments import Array, Moments
from genkit.results.intervals import t_quantile
from genkit.results.score import Score
from genkit.seeds import derive

_ROWS = 4096
_LEAST = 30
_LINEAR = 5
"""Samples per feature from which the distance is linear in 1/N; below, a parabola fits better."""


def frechet_distance_infinity(
    real: Any, generated: Any, *, sizes: int = 15, seed: int = 0, blocks: int = jackknife.BLOCKS
) -> Score:
    """Return the intercept of a line in 1/N through the distances at ``sizes`` sample sizes; 0 is best.

    An estimate of the distance at infinitely many samples (Chong and Forsyth 2020, arXiv:1911.07023). Features [n, d]
    (or ``FeatureStatistics`` fitted to them) and [m, d]. The sizes are equally spaced from min(5000, m // 10) to m, and
    samples are drawn without replacement by generators derived from ``seed``. The value may be below 0, and keeps the
    bias due to the size of the real set.

    The interval is for the distance from *this* real set, so it covers the noise of the generated set alone: to first
    order, by a block jackknife, or from the residuals of the line where these are larger, e.g. for a set and itself,
    where the first order vanishes. With few samples per feature the distance is not linear in 1/N: ``note`` says so,
    and the difference from a parabola's intercept is added as a standard error. Replicates: the first-order values
    without each block of the generated set, empty where another source of noise dominates. A set with no more rows than
    columns is measured but not rankable. Raises DataError or UsageError for invalid features, fewer than 30 generated
    rows or fewer than 3 sizes.
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
    count = jackknife.number_of_blocks(blocks, int(counts[0]), whole.repeats.independent)
    labels = whole.repeats.blocks(count)

    def linear(kept: NDArray[np.bool_]) -> float:
        """Return the first-order intercept over the rows kept."""
        means = [influence[subset[kept[subset]]].mean() for subset in subsets]
        return float(weights @ means)

    everything = linear(np.ones(n, dtype=bool))
    deleted = [value + linear(labels != block) - everything for block in range(count)]
    score = jackknife.one_sample_score(value, deleted, n)
    scatter, quantile = _scatter(1 / counts, distances, weights), t_quantile(sizes - 2)
    half, stderr = max((score.ci_high - value, score.stderr), (quantile * scatter, scatter))
    first_order = stderr == score.stderr
    note = f"from {counts[0]} to {n} samples of {d} features"
    if counts[0] < _LINEAR * d:
        bend = abs(float(np.polyval(np.polyfit(1 / counts, distances, 2), 0.0)) - value)
        half, stderr = math.hypot(half, quantile * bend), math.hypot(stderr, bend)
        first_order = False
        note = f"{counts[0]} samples are few for {d} features, and the line in 1/N bends there; {note}"
    fewest = min(whole.repeats.independent, reference.repeats.independent)
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


def fid_inf(evidence: Evidence) -> Score:
    """Return the Frechet distance extrapolated to infinitely many samples; 0 is best."""
    return frechet_distance_infinity(reference_statistics(evidence), evidence.generated_features, **evidence.parameters)


def _fit(rows: NDArray[Any], subset: NDArray[np.intp]) -> FeatureStatistics:
    """Fit to a subset of the rows, copied in chunks."""
    if len(subset) <= rows.shape[1]:
        return FeatureStatistics.fit(rows[subset])
    moments = Moments()
    for start in range(0, len(subset), _ROWS):
        moments.update(rows[subset[start : start + _ROWS]])
    return FeatureStatistics(moments.mean, moments.cov)


def _intercept(x: Array) -> Array:
    """Return the weights of the values at ``x`` in the intercept of the least-squares line."""
    centred = x - x.mean()
    weights: Array = 1 / len(x) - x.mean() * centred / (centred @ centred)
    return weights


def _scatter(x: Array, values: Array, weights: Array) -> float:
    """Return the standard error of the intercept of the least-squares line, from its residuals."""
    residuals = values - np.polyval(np.polyfit(x, values, 1), x)
    return float(np.sqrt(residuals @ residuals / (len(x) - 2)) * np.linalg.norm(weights))


def _influence(reference: FeatureStatistics, whole: FeatureStatistics) -> Array:
    """Return the derivative of the distance with respect to the weight of each generated row, [n], of mean 0.

    2 (m2 - m1).v + v^T (1 - F) v for a row v about the mean, where F = A (A^T S2 A)^(-1/2) A^T and S1 = A A^T.
    """
    values, vectors = np.linalg.eigh(product(reference, whole))
    kept = without_rounding(values) > 0
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
