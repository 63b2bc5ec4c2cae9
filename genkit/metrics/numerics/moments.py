"""Mean and covariance in one pass, in float64; memory does not grow with the number of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROWS = 4096


class Moments:
    """Sums of x and x x^T about a shift, in float64.

    The shift is the mean of the first chunk; without it, the sums of squares of data far from zero would lose the
    digits of the covariance to cancellation.
    """

    def __init__(self) -> None:
        self.count = 0
        self.shift: Array | None = None
        self._sum: Array | None = None
        self._outer: Array | None = None

    def update(self, chunk: NDArray[Any]) -> Moments:
        """Add rows [n, d]; returns itself."""
        for start in range(0, len(chunk), _ROWS):
            rows = np.asarray(chunk[start : start + _ROWS], dtype=np.float64)
            if self.shift is None:
                self.shift = rows.mean(axis=0)
            rows = rows - self.shift
            self._add(len(rows), rows.sum(axis=0), rows.T @ rows)
        return self

    def merge(self, other: Moments) -> Moments:
        """Add the rows of another, which may have another shift; returns itself."""
        if other.count:
            if self.shift is None:
                self.shift = other.shift
            self._add(*other._about(self.shift))
        return self

    @property
    def mean(self) -> Array:
        """The mean [d]."""
        assert self.shift is not None
        mean: Array = self.shift + self._sums[0] / self.count
        return mean

    @property
    def cov(self) -> Array:
        """The covariance [d, d] with ddof 1; needs two rows."""
        total, outer = self._sums
        cov: Array = (outer - np.outer(total, total) / self.count) / (self.count - 1)
        return (cov + cov.T) / 2

    @property
    def _sums(self) -> tuple[Array, Array]:
        assert self._sum is not None, "no rows yet"
        assert self._outer is not None
        return self._sum, self._outer

    def _add(self, count: int, total: Array, outer: Array) -> None:
        self.count += count
        if self._sum is None or self._outer is None:
            self._sum, self._outer = total.copy(), outer.copy()
        else:
            self._sum += total
            self._outer += outer

    def _about(self, shift: Array | None) -> tuple[int, Array, Array]:
        """Return count and sums about another shift."""
        total, outer = self._sums
        assert self.shift is not None
        assert shift is not None
        by = self.shift - shift
        if not by.any():
            return self.count, total, outer
        cross = np.outer(total, by)
        return (
            self.count,
            total + self.count * by,
            outer + cross + cross.T + self.count * np.outer(by, by),
        )
