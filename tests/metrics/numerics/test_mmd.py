from __future__ import annotations

import numpy as np
import pytest

from genkit.errors import UsageError
from genkit.metrics.numerics.jackknife import block_of
from genkit.metrics.numerics.mmd import Sample, mmd, u_statistic, v_statistic

REAL, GENERATED = (np.random.default_rng(seed).standard_normal((n, 3)) for seed, n in ((0, 40), (1, 50)))


def linear(x, y):
    """Under this kernel MMD^2 is the squared distance of the means."""
    return x @ y.T


def test_whole_and_without_each_block_it_is_the_distance_of_the_means():
    found = mmd(Sample(REAL, block_of(40, 5)), Sample(GENERATED, block_of(50, 5)), linear, v_statistic, 5)[:, 0]
    kept = (
        [REAL[block_of(40, 5) != block] for block in range(5)],
        [GENERATED[block_of(50, 5) != block] for block in range(5)],
    )
    pairs = [(REAL, GENERATED), *((rows, GENERATED) for rows in kept[0]), *((REAL, rows) for rows in kept[1])]
    expected = [np.square(one.mean(axis=0) - two.mean(axis=0)).sum() for one, two in pairs]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_u_statistic_leaves_out_the_diagonal():
    found = mmd(Sample(REAL, block_of(40, 5)), Sample(GENERATED, block_of(50, 5)), linear, u_statistic, 5)[0, 0]
    within = [(x @ x.T).sum() - np.square(x).sum() for x in (REAL, GENERATED)]
    expected = within[0] / (40 * 39) + within[1] / (50 * 49) - 2 * (REAL @ GENERATED.T).mean()
    assert found == pytest.approx(expected, rel=1e-9)


def test_subsets_are_measured_at_once():
    members = np.zeros((40, 2))
    members[:30, 0] = members[10:, 1] = 1
    labels = block_of(40, 5), block_of(50, 5)
    both = Sample(REAL, labels[0], members), Sample(GENERATED, labels[1], np.ones((50, 2)))
    found = mmd(*both, linear, v_statistic, 5)[0]
    expected = [np.square(rows.mean(axis=0) - GENERATED.mean(axis=0)).sum() for rows in (REAL[:30], REAL[10:])]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_blocks_leave_two_rows_at_least():
    with pytest.raises(UsageError, match="too small"):
        mmd(Sample(REAL[:2], block_of(2, 2)), Sample(GENERATED, block_of(50, 2)), linear, v_statistic, 2)
