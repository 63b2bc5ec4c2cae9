"""Authenticity: how many generated images are no copies of training images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.metrics import jackknife
from genkit.metrics.arrays import checked_pair
from genkit.metrics.distances import pair_of_points
from genkit.metrics.half_samples import Array, Parts
from genkit.metrics.neighbours import Neighbours, nearest, squared_radii
from genkit.results.score import Score


def authenticity(training: Any, generated: Any, *, blocks: int = jackknife.BLOCKS) -> Score:
    """Return the per cent of generated rows that are no suspected copies, in [0, 100]; higher is better.

    A row of ``generated`` [m, d] is authentic if it lies farther from its nearest row of ``training`` [n, d] than that
    row lies from its own nearest other training row (Alaa et al. 2022, arXiv:2102.08921, section 4.3; dgm-eval's
    AuthPct); if several are nearest, farther than each of them does. 0 for exact copies. Interval, replicates and
    memory are ``precision_recall``'s, with training for real. Raises DataError or UsageError for features that can't
    be measured (fewer than 2 rows, NaN, widths that differ).
    """
    one, two = checked_pair(training, generated)
    parts = Parts.of_samples(blocks, len(one), len(two), least=2)
    known, new = pair_of_points(one, two, parts)
    radii = squared_radii(known, {1})[1]
    authentic = 100.0 * np.concatenate([_farther(neighbours, radii) for neighbours in nearest(new, known, 1)])
    return new.mean(authentic).score(n=len(two), top=100.0)


def _farther(neighbours: Neighbours, radii: Array) -> NDArray[np.bool_]:
    """Return which rows lie farther from their nearest neighbours than these balls reach, [r, parts]."""
    distance = neighbours.squared_distance(1)
    nearest_ones = neighbours.squared[:, None] == distance[neighbours.row]
    reach = np.where(nearest_ones, radii[neighbours.neighbour], -np.inf)
    starts = np.flatnonzero(np.diff(neighbours.row, prepend=-1))
    farther: NDArray[np.bool_] = distance > np.maximum.reduceat(reach, starts, axis=0)
    return farther
