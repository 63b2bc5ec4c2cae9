"""Nearest neighbours, exact in float64: of each row the k nearest in a set, and in every part of that set."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from genkit.metrics.distances import Indices, Points, Tile, pairs, squared_distances, tiles
from genkit.metrics.half_samples import Array, Counts

_CANDIDATES = 32
"""Candidates per row that are kept before those no longer needed are sorted out."""
_GROUP = 16
"""A first bound looks at the nearest of every sixteen columns of a tile."""


def squared_radii(points: Points, ks: Collection[int]) -> dict[int, Array]:
    """Return for each k the squared distance of each row to its k-th nearest other row in each part, [u, parts].

    Infinite if a part has fewer than k others, minus infinity if it does not hold the row.
    """
    found: dict[int, list[Array]] = {k: [] for k in ks}
    for neighbours in nearest(points, points, max(ks) + 1):
        for k in ks:  # a row is its own first neighbour
            found[k].append(neighbours.squared_distance(k + 1))
    return {k: np.where(points.copies > 0, np.concatenate(bands), -np.inf) for k, bands in found.items()}


def nearest(queries: Points, base: Points, k: int) -> Iterator[Neighbours]:
    """Yield the ``k`` nearest of ``base`` to each row of ``queries``, band after band of the queries."""
    bands = {band.start: Neighbours(band, queries, base, k) for band in queries.bands()}
    last = max(band.start for band in base.bands())
    for tile in tiles(queries, base):
        bands[tile.rows.start].add(tile)
        if queries is base and tile.columns != tile.rows:
            bands[tile.columns.start].add(tile.T)
        if tile.columns.start == last:
            neighbours = bands.pop(tile.rows.start)
            neighbours.settle()
            yield neighbours


class Neighbours:
    """The nearest rows of ``base`` to a band of ``queries``: at least ``k`` copies in each part; of a half, to its own.

    Three arrays [p] side by side, ordered by row and distance: ``row`` within the band, ``neighbour`` in the base, and
    ``squared``, the squared distance. All that are as near as a needed one are there.
    """

    def __init__(self, band: slice, queries: Points, base: Points, k: int) -> None:
        self._band = band
        self._queries = queries
        self._base = base
        self._k = k
        self._asks = queries.opposite[band] > 0
        self._bound = np.full(band.stop - band.start, np.inf)
        self._limit = _CANDIDATES * len(self._bound)
        self.row, self.neighbour = np.empty(0, np.intp), np.empty(0, np.intp)
        self._lower, self.squared = np.empty(0), np.empty(0)

    def add(self, tile: Tile) -> None:
        """Look for neighbours in a tile whose rows are the band's."""
        if np.isinf(self._bound).any():
            self._bound = np.minimum(self._bound, self._first_bound(tile))
        i, j = pairs(tile.possibly_within(self._bound))
        lower, upper = tile.bounds(i, j)
        self.row = np.concatenate([self.row, i])
        self.neighbour = np.concatenate([self.neighbour, tile.columns.start + j])
        self._lower = np.concatenate([self._lower, lower])
        self.squared = np.concatenate([self.squared, upper])
        if len(self.row) > self._limit:
            self._tighten()
            self._limit = max(self._limit, 2 * len(self.row))

    def settle(self) -> None:
        """Measure exactly what may be needed, once all tiles are there."""
        self._tighten()
        self.squared = squared_distances(self._queries, self._band.start + self.row, self._base, self.neighbour)
        self._keep(np.lexsort((self.squared, self.row)))

    def squared_distance(self, k: int) -> Array:
        """Return the squared distance to the k-th nearest copy in each part, [r, parts]; infinity if there is none."""
        return _kth(k, self.row, self.squared, self.neighbour, self._base.copies)

    def _first_bound(self, tile: Tile) -> Array:
        """Return a bound for what is needed from the nearest few of one tile alone."""
        few, rows, columns = 4 * self._k + 8, *tile.lower.shape
        if columns < few:
            return self._bound
        group = min(columns // few, _GROUP)
        groups = tile.lower[:, : columns - columns % group].reshape(rows, group, -1).min(axis=1)
        i, j = pairs(tile.lower <= np.partition(groups, few - 1, axis=1)[:, few - 1 : few])
        upper = tile.bounds(i, j)[1]
        order = np.lexsort((upper, i))
        return self._needed(i[order], upper[order], tile.columns.start + j[order])

    def _tighten(self) -> None:
        """Drop what is farther than anything needed."""
        self._keep(np.lexsort((self.squared, self.row)))
        self._bound = self._needed(self.row, self.squared, self.neighbour)
        self._keep(np.flatnonzero(self._lower <= self._bound[self.row]))

    def _needed(self, row: Indices, squared: Array, neighbour: Indices) -> Array:
        distance = _kth(self._k, row, squared, neighbour, self._base.copies)
        needed: Array = np.where(self._asks, distance, -np.inf).max(axis=1)
        return needed

    def _keep(self, chosen: Indices) -> None:
        self.row, self.neighbour = self.row[chosen], self.neighbour[chosen]
        self._lower, self.squared = self._lower[chosen], self.squared[chosen]


def _kth(k: int, row: Indices, squared: Array, neighbour: Indices, copies: Counts) -> Array:
    """Return where the k-th copy is reached in each part, [r, parts]; the arrays are ordered by row and distance."""
    place = np.flatnonzero(np.diff(row, prepend=-1))
    ends = np.append(place[1:], len(row))
    distance = np.full((len(place), copies.shape[1]), np.inf)
    rows, missing = np.arange(len(place)), np.full(distance.shape, k, np.int32)
    while len(rows):  # the nearest of all rows, then the second nearest ...
        before, missing = missing, missing - copies[neighbour[place]]
        i, part = pairs((before > 0) & (missing <= 0))
        distance[rows[i], part] = squared[place[i]]
        place += 1
        open_ = (missing > 0).any(axis=1) & (place < ends[rows])
        rows, place, missing = rows[open_], place[open_], missing[open_]
    return distance
