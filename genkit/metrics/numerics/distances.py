"""Squared distances between two sets of rows, tile by tile, with rigorous bounds on rounding errors.

A tile is one matrix product in float32; pairs that its bounds leave undecided are computed again from the rows in
float64. The matrix of all pairs is never held.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.metrics.numerics.half_samples import Array, Counts, Parts, ResampledMean
from genkit.metrics.numerics.repeats import Repeats

Rows = NDArray[np.floating[Any]]
Indices = NDArray[np.intp]

_BAND = 768
_COLUMNS = 2048
_VALUES_AT_ONCE = 1 << 16
_EXPONENT = 20
"""Features whose largest value is between 2^-20 and 2^20 are squared in float32 without scaling."""
_IMPRECISE = 1 / 64
"""A tile is computed in float64 if rounding may exceed 1/64 of the distance for more than 1/64 of its pairs."""


class Points:
    """The u distinct rows of a set, relative to a centre; equal rows are computed once.

    ``copies`` [u, parts] counts the copies of each distinct row in each part; ``sizes`` [parts] are their sums.
    """

    def __init__(self, rows: Rows, centre: Rows | None, parts: Parts, repeats: Repeats) -> None:
        self.rows = rows
        self.centre = centre
        self.first: Indices = np.unique(repeats.kinds, return_index=True)[1]
        self.parts = parts
        self.repeats = repeats
        self.copies = np.zeros((repeats.different, parts.halves.stop), np.int32)
        np.add.at(self.copies, repeats.kinds, parts.members(repeats))
        self.sizes = self.copies.sum(axis=0)
        self.norms = self._norms()

    def __len__(self) -> int:
        return len(self.first)

    @functools.cached_property
    def opposite(self) -> Counts:
        """The copies compared with each part of the other set, [u, parts]: those of the same half, otherwise all."""
        opposite = self.copies.copy()
        opposite[:, : self.parts.blocks] = self.copies[:, self.parts.blocks, None]
        return opposite

    def mean(self, values: NDArray[Any]) -> ResampledMean:
        """Return the mean over the rows of ``values`` [u, parts of the other set]; the other set is the real one."""
        by_part = (self.opposite * values).sum(axis=0) / self.opposite.sum(axis=0)
        whole = self.parts.blocks
        without = values[:, whole] @ self.copies[:, :whole] / self.sizes[:whole]
        return self.parts.resampled(by_part, without, self.repeats.independent)

    def bands(self) -> Iterator[slice]:
        """Yield slices that cover the distinct rows."""
        for start in range(0, len(self), _BAND):
            yield slice(start, min(start + _BAND, len(self)))

    def centred(self, band: slice, column: int, dtype: type) -> Rows:
        """Return a strip of columns of some rows minus the centre, rounded to ``dtype`` after the subtraction."""
        strip = slice(column, column + _COLUMNS)
        rows = self.rows[band if len(self) == len(self.rows) else self.first[band], strip]
        if dtype is np.float64:
            rows = rows.astype(np.float64)
        if self.centre is not None:
            rows = rows - self.centre[strip]
        return rows.astype(dtype, copy=False)

    def error(self, band: slice, dtype: type) -> Array:
        """Return each row's share of the largest error of squared distances from products in ``dtype``, [r].

        The error of a sum of d products in any order is at most d u |x||y| (Higham 2002, section 3.1), and 2|x||y| is
        at most |x|^2 + |y|^2; rounding of rows, norms and the two sums adds a few u, and underflow the last term.
        """
        width = self.rows.shape[1]
        terms = min(width, _COLUMNS) + len(self.strips()) + 16
        relative = terms * float(np.finfo(dtype).eps) / 2 + width * float(np.finfo(np.float64).eps)
        error: Array = relative * self.norms[band] + width * float(np.finfo(dtype).tiny) * 4.0**_EXPONENT
        return error

    def strips(self) -> range:
        """Return the first column of each strip."""
        return range(0, self.rows.shape[1], _COLUMNS)

    def _norms(self) -> Array:
        norms = np.zeros(len(self))
        step = max(1, _VALUES_AT_ONCE // _COLUMNS)
        for start in range(0, len(self), step):
            few = slice(start, start + step)
            for column in self.strips():
                norms[few] += np.square(self.centred(few, column, np.float64)).sum(axis=1)
        return norms


def pair_of_points(real: Rows, generated: Rows, *, blocks: int, least: int | None = None) -> tuple[Points, Points]:
    """Return both sets relative to one centre, scaled by a power of two if their squares don't fit float32.

    No centre is subtracted if the mean is nearer to the origin than the rows are to the mean. ``blocks`` and ``least``
    are those of ``Parts.of_samples``.
    """
    repeats = Repeats.of(real), Repeats.of(generated)
    parts = Parts.of_samples(blocks, *(each.independent for each in repeats), least=least)
    largest = max(max(float(x.max()), -float(x.min())) for x in (real, generated))
    exponent = int(np.frexp(largest)[1])
    if abs(exponent) > _EXPONENT:
        real, generated = (np.ldexp(x.astype(np.float64), -exponent) for x in (real, generated))
    centre = (real.mean(axis=0, dtype=np.float64) + generated.mean(axis=0, dtype=np.float64)) / 2
    squares = sum(float(np.einsum("ij,ij->", x, x, dtype=np.float64)) / len(x) for x in (real, generated))
    subtracted = None if 4 * centre @ centre < squares else centre.astype(np.result_type(real, generated))
    return Points(real, subtracted, parts, repeats[0]), Points(generated, subtracted, parts, repeats[1])


@dataclass(frozen=True)
class Tile:
    """Lower bounds [r, c] of the squared distances between some rows of ``one`` and some of ``two``.

    The upper bound of the pair (i, j) is ``lower[i, j] + row_slack[i] + column_slack[j]``.
    """

    one: Points
    two: Points
    rows: slice
    columns: slice
    lower: Rows
    row_slack: Array
    column_slack: Array

    @property
    def T(self) -> Tile:  # noqa: N802
        """The transposed tile, with rows and columns exchanged."""
        return Tile(self.two, self.one, self.columns, self.rows, self.lower.T, self.column_slack, self.row_slack)

    @property
    def slack(self) -> Array:
        """The largest difference between upper and lower bounds in each row, [r]."""
        slack: Array = self.row_slack + self.column_slack.max()
        return slack

    def possibly_within(self, radius: Array) -> NDArray[np.bool_]:
        """Return which pairs may be within their row's squared ``radius`` [r]; no such pair is missed."""
        with np.errstate(over="ignore"):
            limit = np.nextafter(radius.astype(self.lower.dtype), np.inf)
        within: NDArray[np.bool_] = self.lower <= limit[:, None]
        return within

    def surely_within(self, radius: Array) -> NDArray[np.bool_]:
        """Return which pairs are certainly within their row's squared ``radius`` [r]; some may be missed."""
        with np.errstate(over="ignore"):
            limit = np.nextafter((radius - self.slack).astype(self.lower.dtype), -np.inf)
        within: NDArray[np.bool_] = self.lower <= limit[:, None]
        return within

    def bounds(self, i: Indices, j: Indices) -> tuple[Array, Array]:
        """Return the lower and upper bounds of some pairs."""
        lower = self.lower[i, j].astype(np.float64)
        return lower, lower + self.row_slack[i] + self.column_slack[j]

    def exact(self, i: Indices, j: Indices) -> Array:
        """Return the squared distances of some pairs in float64, by ``squared_distances``."""
        return squared_distances(self.one, self.rows.start + i, self.two, self.columns.start + j)


def tiles(one: Points, two: Points) -> Iterator[Tile]:
    """Yield tiles that cover all pairs, band by band of ``one``; for a set and itself only the upper triangle.

    The next tiles are computed while the caller works on the current one, each in one thread, and as many at a time as
    BLAS has threads: so no thread waits for others within a product.
    """
    blas = _blas()
    workers = max((library["num_threads"] for library in blas.info()), default=1)
    with blas.limit(limits=1), ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[Tile]] = deque()
        for rows in one.bands():
            strip = functools.lru_cache(maxsize=1)(functools.partial(one.centred, rows))
            for columns in two.bands():
                if one is not two or columns.start >= rows.start:
                    ahead.append(pool.submit(_precise_enough, one, two, rows, columns, strip))
                if len(ahead) > workers + 1:
                    yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


@functools.cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController().select(user_api="blas")


def _precise_enough(one: Points, two: Points, rows: slice, columns: slice, strip: Callable[..., Rows]) -> Tile:
    tile = _tile(one, two, rows, columns, strip, np.float32)
    near = np.count_nonzero(tile.possibly_within(tile.slack / _IMPRECISE))
    return tile if near <= _IMPRECISE * tile.lower.size else _tile(one, two, rows, columns, strip, np.float64)


def _tile(one: Points, two: Points, rows: slice, columns: slice, strip: Callable[..., Rows], dtype: type) -> Tile:
    """Return one tile; ``strip(column, dtype)`` returns the centred rows, cached between tiles."""
    lower: Rows | None = None
    for column in one.strips():
        left = strip(column, dtype)
        right = left if one is two and rows == columns else two.centred(columns, column, dtype)
        product = left @ right.T
        if lower is None:
            lower = product
        else:
            lower += product
    assert lower is not None
    lower *= -2
    errors = one.error(rows, dtype), two.error(columns, dtype)
    lower += (one.norms[rows] - errors[0]).astype(dtype)[:, None]
    lower += (two.norms[columns] - errors[1]).astype(dtype)
    return Tile(one, two, rows, columns, lower, 2 * errors[0], 2 * errors[1])


def pairs(mask: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """Return the indices of true elements like ``nonzero``, but many times faster for sparse masks."""
    if not mask.flags.c_contiguous:
        j, i = pairs(np.ascontiguousarray(mask.T))
    else:
        i, j = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return i, j


def squared_distances(one: Points, i: Indices, two: Points, j: Indices) -> Array:
    """Return |x_i - y_j|^2 of pairs of distinct rows in float64, [p]; exchanging the sets changes no bit."""
    squares = np.empty(len(i))
    step = max(1, _VALUES_AT_ONCE // one.rows.shape[1])
    for start in range(0, len(i), step):
        chosen = slice(start, start + step)
        difference = one.rows[one.first[i[chosen]]].astype(np.float64)
        difference -= two.rows[two.first[j[chosen]]]
        difference *= difference
        squares[chosen] = difference.sum(axis=1)
    return squares
