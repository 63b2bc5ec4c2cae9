"""k-nearest-neighbour balls and the points inside them: precision, recall, density, coverage and their kin in one pass.

Whether a point is in a ball is decided as in float64, also for the parts of the sets that replicates and intervals
need.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genkit.errors import UsageError
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import checked_pair
from genkit.metrics.numerics.distances import Indices, Points, Tile, pair_of_points, pairs, tiles
from genkit.metrics.numerics.expected_coverage import share_of_good
from genkit.metrics.numerics.half_samples import Array, Counts, ResampledMean
from genkit.metrics.numerics.neighbours import squared_radii
from genkit.metrics.numerics.repeats import counted_once
from genkit.results.score import Score

Flags = NDArray[np.bool_]

_PAIRS_AT_ONCE = 1 << 14
_CROWDED = 1 / 32
"""If more than this fraction of a tile is near, pairs certainly inside are counted by matrix products."""


class Neighbourhood(NamedTuple):
    """The ball about a row up to its k-th nearest other row of the same set; ``strict`` excludes the boundary."""

    k: int
    strict: bool = False


def manifold_scores(
    real: Any,
    generated: Any,
    *,
    precision_recall: Neighbourhood | None = None,
    density_coverage: Neighbourhood | None = None,
    beta: float = 1.0,
    blocks: int = jackknife.BLOCKS,
) -> dict[str, Score]:
    """Return the scores of two feature sets [n, d] and [m, d] by name, for either neighbourhood or both.

    Of ``precision_recall``: precision, recall and f_score; of ``density_coverage``: density, coverage and
    clipped_coverage. ``beta`` is the weight of recall in the F-score. One pass over the distances serves all, also with
    different neighbourhoods. Raises UsageError if k is not a positive integer, DataError for fewer than k + 1 rows, and
    what ``checked_pair`` raises.
    """
    neighbourhoods = [each for each in (precision_recall, density_coverage) if each]
    for each in neighbourhoods:
        if not isinstance(each.k, int | np.integer) or each.k < 1:
            raise UsageError(f"k must be a whole number of neighbours, at least 1, not {each.k!r}")
    least = max(each.k for each in neighbourhoods) + 1
    one, two = checked_pair(real, generated, at_least=least)
    x, y = pair_of_points(one, two, blocks=blocks, least=least)
    radii = squared_radii(x, {each.k for each in neighbourhoods})
    about_real: list[Balls] = []
    about_generated: list[Balls] = []
    means: dict[str, Callable[[], ResampledMean]] = {}
    if precision_recall:
        precision = Manifold(x, y, radii, precision_recall)
        recall = Manifold(y, x, squared_radii(y, {precision_recall.k}), precision_recall)
        about_real.append(precision)
        about_generated.append(recall)
        means |= {
            "precision": precision.share,
            "recall": lambda: recall.share().exchanged(),
            "f_score": lambda: precision.share().with_other(recall.share().exchanged(), _f_score(beta)),
        }
    if density_coverage:
        counts = BallCounts(x, y, radii, density_coverage)
        about_real.append(counts)
        means |= {
            "density": counts.density,
            "coverage": counts.coverage,
            "clipped_coverage": counts.clipped_coverage,
        }
    for tile in tiles(x, y):
        for balls in about_real:
            balls.add(tile)
        for balls in about_generated:
            balls.add(tile.T)
    scores = {
        name: mean().score(n=len(two), top=math.inf if name == "density" else 1.0) for name, mean in means.items()
    }
    copied = counted_once(real=x.repeats, generated=y.repeats)
    notes = dict.fromkeys(means, copied)
    if density_coverage and density_coverage.strict and (empty := counts.empty()):
        k = density_coverage.k
        note = f"{empty:,} of {len(one):,} real rows occur more than {k} times: their neighbourhoods are empty"
        notes |= dict.fromkeys(_OF_BALLS, "; ".join(filter(None, [note, copied])))
    return {name: dataclasses.replace(score, note=notes[name]) for name, score in scores.items()}


_OF_BALLS = ("density", "coverage", "clipped_coverage")


def _f_score(beta: float) -> Callable[[Array, Array], Array]:
    """Return the weighted harmonic mean of precision and recall, 0 where both are 0."""

    def combine(precision: Array, recall: Array) -> Array:
        weighted = beta**2 * precision + recall
        return (1 + beta**2) * precision * recall / np.where(weighted > 0, weighted, 1.0)

    return combine


class Balls:
    """The balls about ``centres`` and the other set's ``points``."""

    def __init__(
        self, centres: Points, points: Points, squared_radii: Mapping[int, Array], neighbourhood: Neighbourhood
    ) -> None:
        squared = squared_radii[neighbourhood.k]
        self._radii = np.nextafter(squared, -np.inf) if neighbourhood.strict else squared
        self._largest = self._radii.max(axis=1)
        self._least = np.where(centres.copies > 0, self._radii, np.inf).min(axis=1)
        self._centres = centres
        self._points = points
        self._whole = centres.parts.blocks

    def add(self, tile: Tile) -> None:
        """Process a tile whose rows are centres and whose columns are points."""
        near = tile.possibly_within(self._largest[tile.rows])
        if np.count_nonzero(near) > _CROWDED * near.size:
            sure = tile.surely_within(self._least[tile.rows])
            self._add_sure(tile.rows, tile.columns, sure.astype(np.float32))
            near &= ~sure
        i, j = pairs(near & self._open(tile.columns))
        for start in range(0, len(i), _PAIRS_AT_ONCE):
            few = slice(start, start + _PAIRS_AT_ONCE)
            within = self._decide(tile, i[few], j[few])
            self._add_pairs(tile.rows.start + i[few], tile.columns.start + j[few], within)

    def _decide(self, tile: Tile, i: Indices, j: Indices) -> Flags:
        """Return whether the points of some pairs are inside the balls of each part, [p, parts]."""
        radii = self._radii[tile.rows.start + i]
        lower, upper = tile.bounds(i, j)
        undecided = ((lower[:, None] <= radii) & (radii < upper[:, None])).any(axis=1)
        lower[undecided] = tile.exact(i[undecided], j[undecided])
        within: Flags = lower[:, None] <= radii
        return within

    def _open(self, columns: slice) -> Flags:
        """Return which points are not yet decided, [c]."""
        return np.ones(columns.stop - columns.start, np.bool_)

    def _add_sure(self, rows: slice, columns: slice, within: NDArray[np.float32]) -> None:
        """Add pairs within the least radius of all parts that hold the centre."""
        raise NotImplementedError

    def _add_pairs(self, centre: Indices, point: Indices, within: Flags) -> None:
        raise NotImplementedError


class Manifold(Balls):
    """The union of the balls; ``covered`` [v, parts] is whether a point lies in the union of each part's balls."""

    def __init__(
        self, centres: Points, points: Points, squared_radii: Mapping[int, Array], neighbourhood: Neighbourhood
    ) -> None:
        super().__init__(centres, points, squared_radii, neighbourhood)
        self.covered = np.zeros(points.copies.shape, np.bool_)

    def share(self) -> ResampledMean:
        """Return the share of points in the manifold; the centres are the "real" set of the result."""
        return self._points.mean(self.covered)

    def _open(self, columns: slice) -> Flags:
        return np.logical_not(self.covered[columns].all(axis=1))

    def _add_sure(self, rows: slice, columns: slice, within: NDArray[np.float32]) -> None:
        self.covered[columns] |= product(within.T, self._centres.copies[rows]) > 0

    def _add_pairs(self, centre: Indices, point: Indices, within: Flags) -> None:
        order = np.argsort(point, kind="stable")
        point = point[order]
        starts = np.flatnonzero(np.diff(point, prepend=-1))
        self.covered[point[starts]] |= np.logical_or.reduceat(within[order], starts, axis=0)


class BallCounts(Balls):
    """The number of points in each ball, copies included.

    ``inside`` [u, parts] counts points in the balls of each part's radii; in a half, points of the same half.
    ``inside_rest`` [u, B] counts the points outside each block, in the balls of the whole set's radii.
    """

    def __init__(
        self, centres: Points, points: Points, squared_radii: Mapping[int, Array], neighbourhood: Neighbourhood
    ) -> None:
        super().__init__(centres, points, squared_radii, neighbourhood)
        self._k = neighbourhood.k
        self._zero = squared_radii[neighbourhood.k][:, self._whole] == 0
        self.inside = np.zeros(centres.copies.shape, np.int32)
        self.inside_rest = np.zeros((len(centres), self._whole), np.int32)

    def empty(self) -> int:
        """Return how many balls have no radius, and so hold no point if they are without their boundary."""
        return int(self._centres.copies[self._zero, self._whole].sum())

    def density(self) -> ResampledMean:
        """Return the mean number of balls that a point lies in, over k."""
        opposite = self._points.opposite.sum(axis=0)
        rest = self._points.sizes[: self._whole]
        return self._resampled(self.inside, self.inside_rest, self._k * opposite, self._k * rest)

    def coverage(self) -> ResampledMean:
        """Return the share of balls that contain a point."""
        sizes = self._centres.sizes
        return self._resampled(self.inside > 0, self.inside_rest > 0, sizes, sizes[self._whole])

    def clipped_coverage(self) -> ResampledMean:
        """Return the mean number of points in a ball, at most k, over k, as a share of good points."""
        k, sizes, opposite = self._k, self._centres.sizes, self._points.opposite.sum(axis=0)
        values, rest = np.minimum(self.inside, k), np.minimum(self.inside_rest, k)
        by_part, without = self._sums(values, rest, k * sizes, k * sizes[self._whole])
        shares = [share_of_good(y, int(n), int(m), k) for y, n, m in zip(by_part, sizes, opposite, strict=True)]
        n, others = int(sizes[self._whole]), self._points.sizes[: self._whole]
        rest_shares = [share_of_good(y, n, int(m), k) for y, m in zip(without, others, strict=True)]
        rows = self._centres.repeats.independent
        return self._centres.parts.resampled(np.array(shares), np.array(rest_shares), rows)

    def _resampled(self, values: NDArray[Any], rest: NDArray[Any], over: Any, rest_over: Any) -> ResampledMean:
        by_part, without = self._sums(values, rest, over, rest_over)
        return self._centres.parts.resampled(by_part, without, self._centres.repeats.independent)

    def _sums(self, values: NDArray[Any], rest: NDArray[Any], over: Any, rest_over: Any) -> tuple[Array, Array]:
        """Return sums over the balls, weighted by copies of their centres, over ``over`` [parts] and ``rest_over``."""
        copies = self._centres.copies.astype(np.float64)
        return (copies * values).sum(axis=0) / over, copies[:, self._whole] @ rest / rest_over

    def _add_sure(self, rows: slice, columns: slice, within: NDArray[np.float32]) -> None:
        self.inside[rows] += product(within, self._points.opposite[columns])
        self.inside_rest[rows] += product(within, self._points.copies[columns, : self._whole])

    def _add_pairs(self, centre: Indices, point: Indices, within: Flags) -> None:
        starts = np.flatnonzero(np.diff(centre, prepend=-1))  # pairs come row by row
        rest = within[:, self._whole, None] * self._points.copies[point, : self._whole]
        self.inside[centre[starts]] += np.add.reduceat(within * self._points.opposite[point], starts, axis=0)
        self.inside_rest[centre[starts]] += np.add.reduceat(rest, starts, axis=0)


def product(within: NDArray[np.float32], copies: Counts) -> Counts:
    """Return within @ copies, exact in float32 up to 2^24."""
    return (within @ copies.astype(np.float32)).astype(np.int32)
