"""Clipped density: how often samples lie where real images are dense (Salvy et al. 2026)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import UsageError
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import checked_pair
from genkit.metrics.numerics.distances import Indices, Points, pair_of_points, tiles
from genkit.metrics.numerics.half_samples import Array, Counts, ResampledMean
from genkit.metrics.numerics.manifold import Balls, Flags, Neighbourhood, product
from genkit.metrics.numerics.neighbours import nearest
from genkit.metrics.numerics.repeats import counted_once
from genkit.results.score import Score


def clipped_density_score(real: Any, generated: Any, *, k: int = 5, blocks: int = jackknife.BLOCKS) -> Score:
    """Return the clipped density of two feature sets, arrays or tensors [n, d] and [m, d]; in [0, 1], 1 is best.

    The ball of a real row reaches up to its k-th nearest other real row, but no further than the median of these
    distances, so that outliers have no large balls. The mean over the generated rows of the number of balls that one
    lies in, at most k, over k, is divided by the same of the real rows in the balls of the others, and is at most 1
    (Salvy, Talbot and Thirion 2026, arXiv:2507.01761, section 3; the numbers of their code, but for ties). Interval,
    replicates, memory and errors are as for ``precision_recall``.
    """
    if not isinstance(k, int | np.integer) or k < 1:
        raise UsageError(f"k must be a whole number of neighbours, at least 1, not {k!r}")
    one, two = checked_pair(real, generated, at_least=k + 1)
    x, y = pair_of_points(one, two, blocks=blocks, least=k + 1)
    radii, of_real = _among_real(x, k)
    samples = _Memberships(x, y, {k: radii}, Neighbourhood(k))
    for tile in tiles(x, y):
        samples.add(tile)
    ratio = y.mean(np.minimum(samples.inside, k)).with_other(of_real, np.divide)
    at_most_1 = {name: np.minimum(getattr(ratio, name), 1.0) for name in ("whole", "without_real", "without_generated")}
    # The halves are left as they are: their differences make the interval, which is clipped itself.
    score = dataclasses.replace(ratio, **at_most_1).score(n=len(two), top=1.0)
    return dataclasses.replace(score, note=counted_once(real=x.repeats, generated=y.repeats))


def clipped_density(evidence: Evidence) -> Score:
    """Return the clipped density of the samples, in [0, 1]; 1 is best."""
    return clipped_density_score(evidence.real_features, evidence.generated_features, **evidence.parameters)


class _Memberships(Balls):
    """``inside`` [v, parts] counts the balls of each part that a point lies in, copies of the centres included."""

    def __init__(self, centres: Points, points: Points, radii: dict[int, Array], neighbourhood: Neighbourhood) -> None:
        super().__init__(centres, points, radii, neighbourhood)
        self.inside = np.zeros(points.copies.shape, np.int32)

    def _add_sure(self, rows: slice, columns: slice, within: NDArray[np.float32]) -> None:
        self.inside[columns] += product(within.T, self._centres.copies[rows])

    def _add_pairs(self, centre: Indices, point: Indices, within: Flags) -> None:
        _add(self.inside, point, within * self._centres.copies[centre])


def _among_real(points: Points, k: int) -> tuple[Array, ResampledMean]:
    """Return the squared clipped radii [u, parts], and the mean of min(balls of others that a real row lies in, k)."""
    radii: list[Array] = []
    found: list[tuple[Indices, Indices, Array]] = []
    for each, band in zip(nearest(points, points, k + 1), points.bands(), strict=True):
        radii.append(each.squared_distance(k + 1))  # a row is its own nearest neighbour
        found.append((band.start + each.row, each.neighbour, each.squared))
    own = np.where(points.copies > 0, np.concatenate(radii), -np.inf)
    clipped = np.minimum(own, _squared_medians(own, points.copies))
    inside = np.zeros(points.copies.shape, np.int32)
    for row, neighbour, squared in found:
        _add(inside, neighbour, (squared[:, None] <= clipped[row]) * points.copies[row])
    inside -= points.copies > 0  # itself
    means = (points.copies * np.minimum(inside, k)).sum(axis=0) / points.sizes
    blocks = points.parts.blocks
    return clipped, points.parts.resampled(means, np.full(blocks, means[blocks]), points.repeats.independent)


def _squared_medians(squared: Array, copies: Counts) -> Array:
    """Return the square of the median root of each part's values, [parts]; one value is returned as it is."""
    medians = np.empty(squared.shape[1])
    for part, weights in enumerate(copies.T):
        ascending = np.sort(np.repeat(squared[:, part], weights))
        low, high = ascending[(len(ascending) - 1) // 2], ascending[len(ascending) // 2]
        medians[part] = low if low == high else ((np.sqrt(low) + np.sqrt(high)) / 2) ** 2
    return medians


def _add(sums: Counts, to: Indices, values: NDArray[Any]) -> None:
    """Add ``values`` [p, parts] to the rows ``to`` [p] of the sums."""
    order = np.argsort(to, kind="stable")
    to = to[order]
    starts = np.flatnonzero(np.diff(to, prepend=-1))
    if len(starts):
        sums[to[starts]] += np.add.reduceat(values[order], starts, axis=0)
