"""Rows divided by their norms, which cosine similarities compare."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError
from genkit.metrics.numerics.moments import Array

SMALLEST = 1e-140
"""The squares of smaller values are too small to divide by."""


def normalised(rows: NDArray[Any]) -> Array:
    """Return rows [n, d] divided by their norms, in float64."""
    rows = np.asarray(rows, np.float64)
    unit: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def check_nonzero(features: NDArray[Any], what: str) -> None:
    """Raise DataError for a row of zeros or near zeros, which has no direction."""
    largest = np.maximum(features.max(axis=1), -features.min(axis=1))
    zeros = np.flatnonzero(largest.astype(np.float64) < SMALLEST)  # in float32, SMALLEST would be 0
    if len(zeros):
        raise DataError(f"{what} has rows of zeros, first row {zeros[0]}, which have no direction: leave them out")
