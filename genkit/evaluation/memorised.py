"""Which samples are most like a training image, by the distances of authenticity."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genkit.metrics.numerics.arrays import checked_pair
from genkit.metrics.numerics.distances import Indices, Points, pair_of_points
from genkit.metrics.numerics.half_samples import Array, Parts
from genkit.metrics.numerics.neighbours import nearest


class Likeness(NamedTuple):
    """Samples and the training image that each is nearest to, by their places, the most alike first, [n] each.

    ``ratio`` is the distance between the two over the training image's distance to its nearest other training image:
    0 for a copy, below 1 for what authenticity (Alaa et al. 2022, arXiv:2102.08921, section 4.3) suspects to be one.
    """

    ratio: Array
    sample: Indices
    training: Indices


def most_alike(training: Any, generated: Any, count: int) -> Likeness:
    """Return the ``count`` rows of ``generated`` [m, d] that are most like a row of ``training`` [n, d].

    Each is of another training row; fewer if there are no more at a finite ratio. Memory grows with n + m. Raises as
    genkit.metrics.authenticity does.
    """
    one, two = checked_pair(training, generated)
    known, new = pair_of_points(one, two, Parts(2, 0))
    neighbour, squared = _nearest(new, known)
    reach = _reach(known, neighbour)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(squared == 0, 0.0, np.sqrt(squared / reach))
    order = np.argsort(ratio, kind="stable")
    order = order[np.isfinite(ratio[order])]
    _, closest = np.unique(neighbour[order], return_index=True)  # of the samples near one training image
    order = order[np.sort(closest)[:count]]
    return Likeness(ratio[order], new.first[order], known.first[neighbour[order]])


def _nearest(queries: Points, base: Points) -> tuple[Indices, Array]:
    """Return the nearest distinct row of ``base`` to each distinct row of ``queries``, and its squared distance."""
    neighbour, squared = [], []
    for found in nearest(queries, base, 1):
        firsts = np.flatnonzero(np.diff(found.row, prepend=-1))
        neighbour.append(found.neighbour[firsts])
        squared.append(found.squared[firsts])
    return np.concatenate(neighbour), np.concatenate(squared)


def _reach(points: Points, wanted: Indices) -> NDArray[np.float64]:
    """Return the squared distances from some distinct rows to their nearest other rows: 0 for one that is there twice.

    Only those rows are measured, and each once.
    """
    chosen, place = np.unique(wanted, return_inverse=True)
    asking = Points(points.rows[points.first[chosen]], points.centre, points.parts)
    whole = points.parts.blocks
    reach = np.concatenate([found.squared_distance(2)[:, whole] for found in nearest(asking, points, 2)])
    return np.asarray(reach[place])
