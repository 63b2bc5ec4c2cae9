"""Balls about rows that reach to their k-th nearest neighbours, and what lies in them: four scores in one pass.

Every "is this row in that ball" is decided as float64 decides it, also in the parts of the sets that replicates and
intervals need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genkit.errors import UsageError
from genkit.metrics import jackknife
from genkit.metrics.arrays import checked_pair
from genkit.metrics.distances import Indices, Points, Tile, pair_of_points, pairs, tiles
from genkit.metrics.half_samples import Array, Counts, Measured, Parts
from genkit.metrics.neighbours import squared_radii
from genkit.results.score import Score

Flags = NDArray[np.bool_]

_PAIRS_AT_ONCE = 1 << 14
_CROWDED = 1 / 32
"""Above this part of a tile near, those surely inside are counted by matrix products and not one by one."""


class Reach(NamedTuple):
    """How far a row's ball reaches: to its k-th nearest other row of the same set; ``strict``: without the rim."""

    k: int
    strict: bool = False


def ball_scores(
    real: Any,
    generated: Any,
    *,
    precision_recall: Reach | None = None,
    density_coverage: Reach | None = None,
    blocks: int = jackknife.BLOCKS,
) -> dict[str, Score]:
    """Return what is asked for of precision, recall, density and coverage of two feature sets [n, d] and [m, d].

    One pass over the distances serves both, also with balls of different reach. Raises UsageError for a k that is no
    positive whole number, DataError for fewer than k + 1 rows, and what ``checked_pair`` raises.
    """
    asked = [reach for reach in (precision_recall, density_coverage) if reach]
    for reach in asked:
        if not isinstance(reach.k, int | np.integer) or reach.k < 1:
            raise UsageError(f"k must be a whole number of neighbours, at least 1, not {reach.k!r}")
    least = max(reach.k for reach in asked) + 1
    one, two = checked_pair(real, generated, at_least=least)
    x, y = pair_of_points(one, two, Parts.of_samples(blocks, len(one), len(two), least=least))
    radii = squared_radii(x, {reach.k for reach in asked})
    about_real: list[_Balls] = []
    about_generated: list[_Balls] = []
    found: dict[str, Callable[[], Measured]] = {}
    if precision_recall:
        precision = Manifold(x, y, radii, precision_recall)
        recall = Manifold(y, x, squared_radii(y, {precision_recall.k}), precision_recall)
        about_real.append(precision)
        about_generated.append(recall)
        found |= {"precision": precision.share, "recall": lambda: recall.share().exchanged()}
    if density_coverage:
        contents = Contents(x, y, radii, density_coverage)
        about_real.append(contents)
        found |= {"density": contents.density, "coverage": contents.coverage}
    for tile in tiles(x, y):
        for balls in about_real:
            balls.add(tile)
        for balls in about_generated:
            balls.add(tile.T)
    return {
        name: measure().score(n=len(two), top=math.inf if name == "density" else 1.0) for name, measure in found.items()
    }


class _Balls:
    """The balls about ``centres`` and the other set's ``points``."""

    def __init__(self, centres: Points, points: Points, squared_radii: Mapping[int, Array], reach: Reach) -> None:
        squared = squared_radii[reach.k]
        self._reach = np.nextafter(squared, -np.inf) if reach.strict else squared
        self._farthest = self._reach.max(axis=1)
        self._centres = centres
        self._points = points
        self._whole = centres.parts.blocks

    def add(self, tile: Tile) -> None:
        """Look at a tile whose rows are centres and whose columns are points."""
        near = tile.possibly_within(self._farthest[tile.rows])
        if np.count_nonzero(near) > _CROWDED * near.size:
            sure = tile.surely_within(self._reach[tile.rows, self._whole])
            self._add_sure(tile.rows, tile.columns, sure.astype(np.float32))
            near &= ~sure
        i, j = pairs(near & self._open(tile.columns))
        for start in range(0, len(i), _PAIRS_AT_ONCE):
            few = slice(start, start + _PAIRS_AT_ONCE)
            within = self._decide(tile, i[few], j[few])
            self._add_pairs(tile.rows.start + i[few], tile.columns.start + j[few], within)

    def _decide(self, tile: Tile, i: Indices, j: Indices) -> Flags:
        """Return whether points lie in balls about rows of each part, of the part's radii, [p, parts]."""
        reach = self._reach[tile.rows.start + i]
        lower, upper = tile.bounds(i, j)
        undecided = ((lower[:, None] <= reach) & (reach < upper[:, None])).any(axis=1)
        lower[undecided] = tile.exact(i[undecided], j[undecided])
        within: Flags = lower[:, None] <= reach
        return within

    def _open(self, columns: slice) -> Flags:
        """Return which points are still of interest, [c]."""
        return np.ones(columns.stop - columns.start, np.bool_)

    def _add_sure(self, rows: slice, columns: slice, within: NDArray[np.float32]) -> None:
        """Count pairs within the radius of the whole set, and so of every part: with fewer centres, radii only grow."""
        raise NotImplementedError

    def _add_pairs(self, centre: Indices, point: Indices, within: Flags) -> None:
        raise NotImplementedError


class Manifold(_Balls):
    """The union of the balls; ``covered`` [v, parts]: whether a point lies in it, made of each part of the centres."""

    def __init__(self, centres: Points, points: Points, squared_radii: Mapping[int, Array], reach: Reach) -> None:
        super().__init__(centres, points, squared_radii, reach)
        self.covered = np.zeros(points.copies.shape, np.bool_)

    def share(self) -> Measured:
        """Return the part of the points that lie in the manifold; "real" stands for the centres."""
        return self._points.mean(self.covered)

    def _open(self, columns: slice) -> Flags:
        return np.logical_not(self.covered[columns].all(axis=1))

    def _add_sure(self, rows: slice, columns: slice, within: NDArray[np.float32]) -> None:
        self.covered[columns] |= _product(within.T, self._centres.copies[rows]) > 0

    def _add_pairs(self, centre: Indices, point: Indices, within: Flags) -> None:
        order = np.argsort(point, kind="stable")
        point = point[order]
        starts = np.flatnonzero(np.diff(point, prepend=-1))
        self.covered[point[starts]] |= np.logical_or.reduceat(within[order], starts, axis=0)


class Contents(_Balls):
    """What the balls hold, in copies of points.

    ``inside`` [u, parts]: the points in a ball of each part's radius; of a half, the points of the same half.
    ``inside_rest`` [u, B]: the points without each block in a ball of the whole set's radius.
    """

    def __init__(self, centres: Points, points: Points, squared_radii: Mapping[int, Array], reach: Reach) -> None:
        super().__init__(centres, points, squared_radii, reach)
        self._k = reach.k
        self.inside = np.zeros(centres.copies.shape, np.int32)
        self.inside_rest = np.zeros((len(centres), self._whole), np.int32)

    def density(self) -> Measured:
        """Return in how many balls a point lies in the mean, over k."""
        opposite = self._points.opposite.sum(axis=0)
        rest = self._points.sizes[: self._whole]
        return self._measured(self.inside, self.inside_rest, self._k * opposite, self._k * rest)

    def coverage(self) -> Measured:
        """Return the part of the balls that hold a point."""
        sizes = self._centres.sizes
        return self._measured(self.inside > 0, self.inside_rest > 0, sizes, sizes[self._whole])

    def _measured(self, values: NDArray[Any], rest: NDArray[Any], over: Any, rest_over: Any) -> Measured:
        """Return sums over the balls, copies of centres counted, divided by ``over`` [parts] and ``rest_over``."""
        copies = self._centres.copies.astype(np.float64)
        by_part = (copies * values).sum(axis=0) / over
        without = copies[:, self._whole] @ rest / rest_over
        return self._centres.parts.measured(by_part, without, int(self._centres.sizes[self._whole]))

    def _add_sure(self, rows: slice, columns: slice, within: NDArray[np.float32]) -> None:
        self.inside[rows] += _product(within, self._points.opposite[columns])
        self.inside_rest[rows] += _product(within, self._points.copies[columns, : self._whole])

    def _add_pairs(self, centre: Indices, point: Indices, within: Flags) -> None:
        starts = np.flatnonzero(np.diff(centre, prepend=-1))  # pairs come row by row
        rest = within[:, self._whole, None] * self._points.copies[point, : self._whole]
        self.inside[centre[starts]] += np.add.reduceat(within * self._points.opposite[point], starts, axis=0)
        self.inside_rest[centre[starts]] += np.add.reduceat(rest, starts, axis=0)


def _product(within: NDArray[np.float32], copies: Counts) -> Counts:
    """Return within @ copies, exact in float32 up to 2^24."""
    return (within @ copies.astype(np.float32)).astype(np.int32)
