"""Rows of norm 1: what metrics of the cosine compare."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError
from genkit.metrics.moments import Array

SMALLEST = 1e-140
"""The square of anything smaller is nothing to divide by."""


def directions(rows: NDArray[Any]) -> Array:
    """Return float64 rows [n, d] over their norms."""
    rows = np.asarray(rows, np.float64)
    unit: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def check_directions(features: NDArray[Any], what: str) -> None:
    """Raise DataError for a row of zeros, or of nearly zeros, which has no direction."""
    zeros = np.flatnonzero(np.maximum(features.max(axis=1), -features.min(axis=1)) < SMALLEST)
    if len(zeros):
        raise DataError(f"{what} has rows of zeros, first row {zeros[0]}, which have no direction: leave them out")
