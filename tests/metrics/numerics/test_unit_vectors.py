from __future__ import annotations

import numpy as np
import pytest

from genkit.errors import DataError
from genkit.metrics.numerics.unit_vectors import check_nonzero, normalised


def test_rows_have_norm_one():
    rows = np.array([[3.0, 4.0], [1e-100, 0.0]], np.float64)
    np.testing.assert_allclose(normalised(rows), [[0.6, 0.8], [1.0, 0.0]])


def test_a_row_of_zeros_is_named():
    check_nonzero(np.array([[0.0, -1.0]]), "features")
    with pytest.raises(DataError, match="features has rows of zeros, first row 1"):
        check_nonzero(np.array([[0.0, -1.0], [0.0, 1e-150]]), "features")
