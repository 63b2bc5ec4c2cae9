"""The samples closest to training images, by the distances that AuthPct compares."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genkit.metrics.numerics.arrays import checked_pair
from genkit.metrics.numerics.distances import Indices, Points, pair_of_points
from genkit.metrics.numerics.half_samples import Array
from genkit.metrics.numerics.neighbours import nearest


class ClosePairs(NamedTuple):
    """Indices of samples and of their nearest training images, the closest first, [n] each.

    ``ratio`` is the distance between the two over the distance of the training image to its nearest other training
    image: 0 for a copy, below 1 for a suspected copy by authenticity (Alaa et al. 2022, arXiv:2102.08921, section 4.3).
    """

    ratio: Array
    sample: Indices
    training: Indices


def closest_pairs(training: Any, generated: Any, count: int) -> ClosePairs:
    """Return the ``count`` rows of ``generated`` [m, d] that are closest to a row of ``training`` [n, d].

    Each has another training row; there are fewer if no more have a finite ratio. Memory grows with n + m. Raises like
    genkit.metrics.authenticity.
    """
    one, two = checked_pair(training, generated)
    training_points, generated_points = pair_of_points(one, two, blocks=2)
    neighbour, squared = _nearest(generated_points, training_points)
    spacing = _spacing(training_points, neighbour)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(squared == 0, 0.0, np.sqrt(squared / spacing))
    order = np.argsort(ratio, kind="stable")
    order = order[np.isfinite(ratio[order])]
    _, closest = np.unique(neighbour[order], return_index=True)  # among the samples nearest to one training image
    order = order[np.sort(closest)[:count]]
    return ClosePairs(ratio[order], generated_points.first[order], training_points.first[neighbour[order]])


def _nearest(queries: Points, base: Points) -> tuple[Indices, Array]:
    """Return the nearest distinct row of ``base`` to each distinct row of ``queries``, and its squared distance."""
    neighbour, squared = [], []
    for neighbours in nearest(queries, base, 1):
        firsts = np.flatnonzero(np.diff(neighbours.row, prepend=-1))
        neighbour.append(neighbours.neighbour[firsts])
        squared.append(neighbours.squared[firsts])
    return np.concatenate(neighbour), np.concatenate(squared)


def _spacing(points: Points, rows: Indices) -> NDArray[np.float64]:
    """Return the squared distances from some distinct rows to their nearest other rows; 0 for duplicated rows."""
    chosen, place = np.unique(rows, return_inverse=True)
    first = points.first[chosen]
    queries = Points(points.rows[first], points.centre, points.parts, points.repeats.of_rows(first))
    whole = points.parts.blocks
    spacing = np.concatenate([neighbours.squared_distance(2)[:, whole] for neighbours in nearest(queries, points, 2)])
    return np.asarray(spacing[place])
