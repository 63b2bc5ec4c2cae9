"""The squared maximum mean discrepancy of two samples, with and without each block, from sums over pairs of blocks.

MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)  (Gretton et al. 2012)

The kernel is computed once, tile by tile: memory does not grow with n^2, and deleting a block costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import UsageError
from genkit.metrics.numerics.moments import Array

_TILE = 2048

Kernel = Callable[[NDArray[Any], NDArray[Any]], Array]
"""Maps rows [n, d] and [m, d] of two samples to the kernel of each pair, float64 [n, m]."""

WithinMean = Callable[[Array, Array, Array], Array]
"""Maps sums over pairs, sums over k(x_i, x_i) and sizes, [s] each, to the mean of the kernel within each subset."""


def u_statistic(pairs: Array, diagonal: Array, size: Array) -> Array:
    """Return the mean over pairs of different examples: unbiased, but MMD^2 may be negative."""
    return (pairs - diagonal) / (size * (size - 1))


def v_statistic(pairs: Array, diagonal: Array, size: Array) -> Array:
    """Return the mean over all pairs: biased upwards, but MMD^2 is never negative."""
    return pairs / size**2


class Sample:
    """Features [n, d] in blocks, ``labels`` [n]; ``members`` [n, s] is 1 where a row is in a subset, by default 1."""

    def __init__(self, features: NDArray[Any], labels: NDArray[np.intp], members: Array | None = None) -> None:
        order = np.argsort(labels, kind="stable")
        self.features, self.order, self.labels = features, order, labels[order]
        self.members = (np.ones((len(features), 1)) if members is None else members)[order]

    def sizes(self, blocks: int) -> Array:
        """Return the number of rows of each block in each subset, [B, s]."""
        sizes: Array = (self.labels == np.arange(blocks)[:, None]) @ self.members
        return sizes

    def tiles(self, start: int = 0) -> Iterator[_Tile]:
        """Yield the rows from ``start`` on, sorted by block, in tiles."""
        for top in range(start, len(self.order), _TILE):
            labels = self.labels[top : top + _TILE]
            starts = np.flatnonzero(np.diff(labels, prepend=-1))
            rows = np.take(self.features, self.order[top : top + _TILE], axis=0)
            yield _Tile(top, rows, self.members[top : top + _TILE], starts, labels[starts])


@dataclass(frozen=True)
class _Tile:
    top: int
    rows: NDArray[Any]
    members: Array
    starts: NDArray[np.intp]
    blocks: NDArray[np.intp]

    def by_block(self, values: Array) -> Array:
        """Sum ``values`` [rows, s] over the members of each block, [blocks in this tile, s]."""
        sums: Array = np.add.reduceat(self.members * values, self.starts, axis=0)
        return sums


def mmd(real: Sample, generated: Sample, kernel: Kernel, within_mean: WithinMean, blocks: int) -> Array:
    """Return MMD^2 of each subset, [1 + 2 B, s]: whole, without each real block, without each generated block.

    Raises UsageError for subsets with fewer than 2 rows outside some block.
    """
    samples = (real, generated)
    sizes = [sample.sizes(blocks) for sample in samples]
    if min(float((size.sum(axis=0) - size).min()) for size in sizes) < 2:
        raise UsageError("the subsets are too small: without one block fewer than 2 rows are left of them")
    within = [_within(sample, kernel, blocks) for sample in samples]
    across = _across(real, generated, kernel, blocks)

    def estimate(*kept: NDArray[np.bool_]) -> Array:
        n, m = (size[keep].sum(axis=0) for size, keep in zip(sizes, kept, strict=True))
        one, two = (
            within_mean(pairs[np.ix_(keep, keep)].sum(axis=(0, 1)), diagonal[keep].sum(axis=0), size)
            for (pairs, diagonal), keep, size in zip(within, kept, (n, m), strict=True)
        )
        mmd2: Array = one + two - 2 * across[np.ix_(*kept)].sum(axis=(0, 1)) / (n * m)
        return mmd2

    everything, deleted = np.ones(blocks, dtype=bool), ~np.eye(blocks, dtype=bool)
    return np.array(
        [estimate(everything, everything)]
        + [estimate(keep, everything) for keep in deleted]
        + [estimate(everything, keep) for keep in deleted]
    )


def _within(sample: Sample, kernel: Kernel, blocks: int) -> tuple[Array, Array]:
    """Return the sums of the kernel over each pair of blocks, [B, B, s], and of k(x_i, x_i) over each block, [B, s]."""
    sums = np.zeros((blocks, blocks, sample.members.shape[1]))
    diagonal = np.zeros(sums.shape[1:])
    for rows in sample.tiles():
        for columns in sample.tiles(rows.top):
            mirrored = columns.top != rows.top
            values = kernel(rows.rows, columns.rows if mirrored else rows.rows)
            _add(sums, values, rows, columns, mirrored=mirrored)
            if not mirrored:
                diagonal[rows.blocks] += rows.by_block(values.diagonal()[:, None])
    return sums, diagonal


def _across(one: Sample, two: Sample, kernel: Kernel, blocks: int) -> Array:
    """Return the sums of the kernel over each pair of a block of one sample and a block of the other, [B, B, s]."""
    sums = np.zeros((blocks, blocks, one.members.shape[1]))
    for rows in one.tiles():
        for columns in two.tiles():
            _add(sums, kernel(rows.rows, columns.rows), rows, columns)
    return sums


def _add(sums: Array, values: Array, rows: _Tile, columns: _Tile, *, mirrored: bool = False) -> None:
    """Add a tile of the kernel to the sums; ``mirrored`` also adds its mirror image below the diagonal."""
    ends = np.append(columns.starts[1:], len(columns.rows))
    for block, start, end in zip(columns.blocks, columns.starts, ends, strict=True):
        part = rows.by_block(values[:, start:end] @ columns.members[start:end])
        sums[rows.blocks, block] += part
        if mirrored:
            sums[block, rows.blocks] += part
