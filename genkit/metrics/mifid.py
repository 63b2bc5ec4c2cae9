"""MiFID: a Frechet distance that penalises copies of training images (Bai et al. 2021)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError
from genkit.metrics.evidence import Evidence
from genkit.metrics.fid import reference_statistics
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.frechet import FeatureStatistics, fitted_pair, frechet_distance
from genkit.metrics.numerics.moments import Array
from genkit.metrics.numerics.unit_vectors import SMALLEST, normalised
from genkit.results.score import Score

_THRESHOLD = 0.1
_ROUNDING = 1e-6
"""Relative distance below which two sets are taken to be the same images, extracted twice in single precision."""
_TILE = 2048


def memorization_distance(real: Any, generated: Any, *, blocks: int = jackknife.BLOCKS) -> Score:
    """Return the memorization-informed Frechet distance of two feature sets, [n, d] and [m, d]; 0 is best.

    FID / (c + 1e-14) (Bai et al. 2021, arXiv:2106.03062), as in torchmetrics: c is the mean, over real rows, of the
    cosine distance 1 - abs(cos) to the nearest generated row (Kaggle's competition averaged over generated rows). c is
    1 from 0.1 on, and an FID of up to 1e-8 counts as 0. Rows that sum to 0 have no direction and are left out of c.
    ``real`` may be a ``FeatureStatistics`` fitted before. The interval is as for ``frechet_distance``, with c
    recomputed without each block; it assumes that c stays on its side of 0.1. Sets with no more rows than columns, or
    of the same images, are measured but not rankable. Raises DataError or UsageError for invalid features, and
    DataError if fewer than two rows of a set have a direction.
    """
    one, two = fitted_pair(real, generated)
    frechet = frechet_distance(one, two, blocks=blocks)
    count = len(frechet.replicates) // 2
    whole, deleted = _cosine_distances(one, two, count)
    penalised = whole < _THRESHOLD
    penalties = deleted if penalised else np.ones_like(deleted)
    replicates = [_informed(fid, c) for fid, c in zip(frechet.replicates, penalties, strict=True)]
    effect = "by which the Frechet distance is divided" if penalised else "large enough to be no penalty"
    note = f"cosine distance {whole:.3g}, {effect}; {frechet.note}"
    value = _informed(frechet.value, whole if penalised else 1.0)
    if whole < _ROUNDING and frechet.value < _ROUNDING * (one.trace + two.trace):
        note = f"both sets hold the same images: what is divided, and by what, is rounding; {note}"
        return Score(value, 0.0, 0.0, value, "none, as the value is rounding", frechet.n, note=note, rankable=False)
    if ((deleted < _THRESHOLD) != penalised).any():
        note = f"the cosine distance is at the threshold of {_THRESHOLD}, where the score jumps; {note}"
    return jackknife.two_sample_score(
        value,
        replicates[:count],
        replicates[count:],
        n=frechet.n,
        note=note,
        rankable=frechet.rankable,
    ).within(0.0)


def mifid(evidence: Evidence) -> Score:
    """Return the memorization-informed Frechet distance; 0 is best."""
    return memorization_distance(reference_statistics(evidence), evidence.generated_features)


def _informed(fid: float, cosine_distance: float) -> float:
    return fid / (cosine_distance + 1e-14) if fid > 1e-8 else 0.0


def _cosine_distances(one: FeatureStatistics, two: FeatureStatistics, blocks: int) -> tuple[float, Array]:
    """Return the mean over real rows of the distance to the nearest generated row, and its values without each block.

    The latter are [2 B]: without each block of the real set, then of the generated set.
    """
    real, generated = one.features, two.features
    assert real is not None
    assert generated is not None
    x, x_labels = _ordered(real, one.repeats.blocks(blocks), "real")
    y, y_labels = _ordered(generated, two.repeats.blocks(blocks), "generated")
    nearest = np.zeros((len(x), blocks))
    for top in range(0, len(x), _TILE):
        rows = normalised(real[x[top : top + _TILE]])
        for left in range(0, len(y), _TILE):
            columns = y[left : left + _TILE]
            cosines = np.abs(rows @ normalised(generated[columns]).T)
            labels = y_labels[left : left + _TILE]
            starts = np.flatnonzero(np.diff(labels, prepend=-1))
            here = labels[starts]
            part = np.maximum.reduceat(cosines, starts, axis=1)
            nearest[top : top + _TILE, here] = np.maximum(nearest[top : top + _TILE, here], part)
    distances = 1 - nearest.max(axis=1)
    sums = np.bincount(x_labels, weights=distances, minlength=blocks)
    without_real = (sums.sum() - sums) / (len(x) - np.bincount(x_labels, minlength=blocks))
    kept = ~np.eye(blocks, dtype=bool)
    without_generated = [float(1 - nearest[:, keep].max(axis=1).mean()) for keep in kept]
    return float(distances.mean()), np.concatenate([without_real, without_generated])


def _ordered(features: NDArray[Any], labels: NDArray[np.intp], what: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of the rows that have a direction, sorted by block, and their blocks."""
    order: NDArray[np.intp] = np.argsort(labels, kind="stable")
    order = order[np.abs(features.sum(axis=1, dtype=np.float64))[order] > SMALLEST]
    if len(np.unique(labels[order])) < 2:
        raise DataError(f"too few rows of the {what} features have a direction: the others sum to 0")
    return order, labels[order]
