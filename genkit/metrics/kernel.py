"""The squared kernel distance (KID, arXiv:1801.01401): the unbiased MMD^2 of all examples, with an interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.metrics import jackknife
from genkit.metrics.arrays import checked_pair
from genkit.scores import Score

Array = NDArray[np.float64]

_TILE = 2048


def kernel_distance(
    real: Any,
    generated: Any,
    *,
    degree: int = 3,
    gamma: float | None = None,
    coef: float = 1.0,
    blocks: int = jackknife.BLOCKS,
) -> Score:
    """Return the squared distance of two feature sets, [n, d] and [m, d], under k(x, y) = (gamma x.y + coef)^degree.

    ``gamma`` is 1/d by default. The full-sample unbiased U-statistic (Gretton et al. 2012, lemma 6): deterministic,
    may be slightly below 0 for equal distributions, and not 0 for a set with itself. The interval is a two-sample
    block jackknife's from sums of the kernel over pairs of blocks. Memory does not grow with n^2. Raises DataError or
    UsageError for features that can't be measured.
    """
    one, two = checked_pair(real, generated, at_least=3)
    count = jackknife.number_of_blocks(blocks, len(one), len(two))
    scale = 1.0 / one.shape[1] if gamma is None else gamma
    x, y = _by_block(one, count), _by_block(two, count)
    within_x, within_y = (_block_sums(s, s, scale, coef, degree, diagonal=False) for s in (x, y))
    across = _block_sums(x, y, scale, coef, degree)
    x_sizes, y_sizes = (np.bincount(labels, minlength=count) for _, labels in (x, y))

    def estimate(keep_x: NDArray[np.bool_], keep_y: NDArray[np.bool_]) -> float:
        n, m = int(x_sizes[keep_x].sum()), int(y_sizes[keep_y].sum())
        within = within_x[np.ix_(keep_x, keep_x)].sum() / (n * (n - 1)) + within_y[np.ix_(keep_y, keep_y)].sum() / (
            m * (m - 1)
        )
        return float(within - 2 * across[np.ix_(keep_x, keep_y)].sum() / (n * m))

    everything = np.ones(count, dtype=bool)
    value = estimate(everything, everything)
    real_deleted = [estimate(np.arange(count) != block, everything) for block in range(count)]
    generated_deleted = [estimate(everything, np.arange(count) != block) for block in range(count)]
    stderr, low, high = jackknife.two_sample_interval(value, real_deleted, generated_deleted)
    return Score(
        value=value,
        stderr=stderr,
        ci_low=low,
        ci_high=high,
        method="two-sample block jackknife",
        n=len(two),
        replicates=(*real_deleted, *generated_deleted),
    )


def _by_block(features: NDArray[Any], blocks: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return rows with those of one block side by side, and the block of each."""
    labels = jackknife.block_of(len(features), blocks)
    order = np.argsort(labels, kind="stable")
    return features[order], labels[order]


def _block_sums(
    one: tuple[NDArray[Any], NDArray[np.intp]],
    two: tuple[NDArray[Any], NDArray[np.intp]],
    gamma: float,
    coef: float,
    degree: int,
    *,
    diagonal: bool = True,
) -> Array:
    """Return the kernel's sum over each pair of blocks, [B, B]; without ``diagonal`` k(x_i, x_i) is left out."""
    (x, x_labels), (y, y_labels) = one, two
    symmetric = x is y
    sums = np.zeros((x_labels[-1] + 1, y_labels[-1] + 1))
    for top in range(0, len(x), _TILE):
        rows = np.asarray(x[top : top + _TILE], np.float64)
        for left in range(top if symmetric else 0, len(y), _TILE):
            columns = rows if symmetric and left == top else np.asarray(y[left : left + _TILE], np.float64)
            kernel = rows @ columns.T
            kernel *= gamma
            kernel += coef
            kernel = kernel**degree if degree != 3 else kernel * kernel * kernel
            if not diagonal and left == top:
                np.fill_diagonal(kernel, 0.0)
            tile = _sum_tile(
                kernel,
                x_labels[top : top + _TILE],
                y_labels[left : left + _TILE],
                sums.shape,
            )
            sums += tile
            if symmetric and left != top:
                sums += tile.T
    return sums


def _sum_tile(
    kernel: Array,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    shape: tuple[int, ...],
) -> Array:
    sums = np.zeros(shape)
    row_starts, column_starts = (np.flatnonzero(np.diff(labels, prepend=-1)) for labels in (rows, columns))
    reduced = np.add.reduceat(np.add.reduceat(kernel, row_starts, axis=0), column_starts, axis=1)
    sums[np.ix_(rows[row_starts], columns[column_starts])] = reduced
    return sums
