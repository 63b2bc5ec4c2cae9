"""Mean and covariance in one pass, in float64; memory does not grow with the number of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ROWS = 4096
"""Rows that are turned into float64 at a time."""


class Moments:
    """Sums of x and x x^T about a shift, in float64.

    The shift is the mean of the first chunk; without it, the sums of squares of data far from zero would lose the
    digits of the covariance to cancellation.
    """

    def __init__(self) -> None:
        self.count = 0

    def update(self, chunk: NDArray[Any]) -> Moments:
        """Add rows [n, d]; returns itself."""
        for start in range(0, len(chunk), ROWS):
            rows = np.asarray(chunk[start : start + ROWS], dtype=np.float64)
            if not self.count:
                width = rows.shape[1]
                self._shift: Array = rows.mean(axis=0)
                self._sum: Array = np.zeros(width)
                self._outer: Array = np.zeros((width, width))
            rows = rows - self._shift
            self.count += len(rows)
            self._sum += rows.sum(axis=0)
            self._outer += rows.T @ rows
        return self

    @property
    def mean(self) -> Array:
        """The mean [d]."""
        mean: Array = self._shift + self._sum / self.count
        return mean

    @property
    def cov(self) -> Array:
        """The covariance [d, d] with ddof 1; needs two rows."""
        cov: Array = (self._outer - np.outer(self._sum, self._sum) / self.count) / (self.count - 1)
        return (cov + cov.T) / 2
