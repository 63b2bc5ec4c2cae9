from __future__ import annotations

import numpy as np
import pytest

from genkit.metrics.numerics.moments import Moments


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((501, 7)) @ rng.standard_normal((7, 7)) + 1e4).astype(np.float64)


def assert_moments(moments, rows):
    assert moments.count == len(rows)
    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-13)
    np.testing.assert_allclose(moments.cov, np.cov(rows, rowvar=False), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [1, 64, 500, 501])
def test_chunks_do_not_matter(rows, size):
    moments = Moments()
    for start in range(0, len(rows), size):
        moments.update(rows[start : start + size])
    assert_moments(moments, rows)


def test_single_precision_rows_are_summed_in_double():
    rows = (np.random.default_rng(0).standard_normal((4000, 3)) + 100).astype(np.float32)
    assert_moments(Moments().update(rows), rows.astype(np.float64))
