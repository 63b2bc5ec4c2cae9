from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from genkit.errors import DataError
from genkit.metrics import mean_score
from genkit.metrics.numerics.jackknife import block_of
from genkit.ranking.significance import delete_one_covariance


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(-90, 5, 360)


def test_interval_is_students(values):
    found = mean_score(values)
    low, high = scipy.stats.t.interval(0.95, 359, values.mean(), scipy.stats.sem(values))
    assert (found.value, found.ci_low, found.ci_high) == pytest.approx((values.mean(), low, high), rel=1e-12)


def test_replicates_leave_out_every_twentieth(values):
    found = mean_score(values)
    assert len(found.replicates) == 20
    assert found.replicates[7] == pytest.approx(values[block_of(360, 20) != 7].mean(), rel=1e-12)
    assert delete_one_covariance([found.replicates], found.method)[0, 0] ** 0.5 == pytest.approx(found.stderr, rel=0.5)


def test_two_values_are_enough():
    assert sorted(mean_score([1.0, 3.0]).replicates) == [1.0, 3.0]


@pytest.mark.parametrize("few", [[], [1.0]])
def test_fewer_are_refused(few):
    with pytest.raises(DataError, match="at least 2"):
        mean_score(few)
