"""Exact k nearest neighbours in float64, in a set and in every part of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from genkit.metrics.numerics.distances import Indices, Points, Tile, pairs, squared_distances, tiles
from genkit.metrics.numerics.half_samples import Array, Counts

_CANDIDATES = 32
"""Candidates per row that are collected before those too far away are dropped."""
_GROUP = 16
"""The first bound uses the minimum of every sixteen columns of a tile."""


def squared_radii(points: Points, ks: Collection[int]) -> dict[int, Array]:
    """Return for each k the squared distance of each row to its k-th nearest other row in each part, [u, parts].

    Infinite if a part has fewer than k other rows, minus infinity if the row is not in the part.
    """
    radii: dict[int, list[Array]] = {k: [] for k in ks}
    for neighbours in nearest(points, points, max(ks) + 1):
        for k in ks:  # a row is its own nearest neighbour
            radii[k].append(neighbours.squared_distance(k + 1))
    return {k: np.where(points.copies > 0, np.concatenate(bands), -np.inf) for k, bands in radii.items()}


def nearest(queries: Points, base: Points, k: int) -> Iterator[Neighbours]:
    """Yield the ``k`` nearest rows of ``base`` to each row of ``queries``, one band of queries at a time."""
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
    """The nearest rows of ``base`` to a band of ``queries``: at least ``k`` copies in each part.

    Queries of a half have neighbours in the same half. Three parallel arrays [p], sorted by row and distance: ``row``
    within the band, ``neighbour`` in the base, and ``squared``, the squared distance. Ties with the k-th are included.
    """

    def __init__(self, band: slice, queries: Points, base: Points, k: int) -> None:
        self._band = band
        self._queries = queries
        self._base = base
        self._k = k
        self._needs = queries.opposite[band] > 0
        self._bound = np.full(band.stop - band.start, np.inf)
        self._limit = _CANDIDATES * len(self._bound)
        self.row, self.neighbour = np.empty(0, np.intp), np.empty(0, np.intp)
        self._lower, self.squared = np.empty(0), np.empty(0)

    def add(self, tile: Tile) -> None:
        """Search a tile, whose rows are those of the band."""
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
        """Compute the exact distances of the remaining candidates, after all tiles."""
        self._tighten()
        self.squared = squared_distances(self._queries, self._band.start + self.row, self._base, self.neighbour)
        self._keep(np.lexsort((self.squared, self.row)))

    def squared_distance(self, k: int) -> Array:
        """Return the squared distance to the k-th nearest copy in each part, [r, parts], or infinity."""
        return _kth(k, self.row, self.squared, self.neighbour, self._base.copies)

    def _first_bound(self, tile: Tile) -> Array:
        """Return an upper bound on the needed distances, from the nearest columns of one tile."""
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
        """Drop candidates that are certainly too far away."""
        self._keep(np.lexsort((self.squared, self.row)))
        self._bound = self._needed(self.row, self.squared, self.neighbour)
        self._keep(np.flatnonzero(self._lower <= self._bound[self.row]))

    def _needed(self, row: Indices, squared: Array, neighbour: Indices) -> Array:
        distance = _kth(self._k, row, squared, neighbour, self._base.copies)
        needed: Array = np.where(self._needs, distance, -np.inf).max(axis=1)
        return needed

    def _keep(self, chosen: Indices) -> None:
        self.row, self.neighbour = self.row[chosen], self.neighbour[chosen]
        self._lower, self.squared = self._lower[chosen], self.squared[chosen]


def _kth(k: int, row: Indices, squared: Array, neighbour: Indices, copies: Counts) -> Array:
    """Return the squared distance of the k-th copy in each part, [r, parts], from arrays sorted by row and distance."""
    place = np.flatnonzero(np.diff(row, prepend=-1))
    ends = np.append(place[1:], len(row))
    distance = np.full((len(place), copies.shape[1]), np.inf)
    rows, missing = np.arange(len(place)), np.full(distance.shape, k, np.int32)
    while len(rows):  # for all rows: the nearest, then the second nearest ...
        before, missing = missing, missing - copies[neighbour[place]]
        i, part = pairs((before > 0) & (missing <= 0))
        distance[rows[i], part] = squared[place[i]]
        place += 1
        open_ = (missing > 0).any(axis=1) & (place < ends[rows])
        rows, place, missing = rows[open_], place[open_], missing[open_]
    return distance
