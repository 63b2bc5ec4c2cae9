from __future__ import annotations

import numpy as np
import pytest

from genkit.metrics import frechet_distance
from genkit.metrics.numerics import jackknife
from genkit.ranking.significance import delete_one_covariance


@pytest.fixture
def deleted():
    """The plug-in variances of 20 numbers without each of them."""
    x = np.random.default_rng(0).normal(3, 2, 20)
    return [float(np.delete(x, i).var()) for i in range(20)]


def test_one_samples_replicates_give_the_standard_error(deleted):
    found = jackknife.one_sample_score(4.0, deleted, 20)
    assert delete_one_covariance([found.replicates], found.method)[0, 0] ** 0.5 == pytest.approx(
        found.stderr, rel=1e-12
    )


def test_two_samples_replicates_give_the_standard_error(deleted):
    found = jackknife.two_sample_score(4.0, deleted, deleted[::-1], 20)
    assert delete_one_covariance([found.replicates], found.method)[0, 0] ** 0.5 == pytest.approx(
        found.stderr, rel=1e-12
    )


def test_intervals_are_around_the_value_however_biased(deleted):
    for found in (
        jackknife.one_sample_score(40.0, deleted, 20),
        jackknife.two_sample_score(40.0, deleted, deleted, 20),
    ):
        assert (found.ci_low + found.ci_high) / 2 == pytest.approx(40.0, rel=1e-12)


def test_rows_in_the_order_of_their_classes_or_in_turn_have_the_noise_of_shuffled_ones():
    rng = np.random.default_rng(0)
    labels = np.arange(2000) % 10
    rows = rng.standard_normal((2000, 3)) + 5 * rng.standard_normal((10, 3))[labels]
    real = rng.standard_normal((2000, 3)) + 5
    noise = {
        name: frechet_distance(real, rows[order]).stderr
        for name, order in {
            "in turn": np.arange(2000),
            "class after class": np.argsort(labels, kind="stable"),
            "shuffled": rng.permutation(2000),
        }.items()
    }
    assert noise["in turn"] == pytest.approx(noise["shuffled"], rel=0.6)
    assert noise["class after class"] == pytest.approx(noise["shuffled"], rel=0.6)


def test_blocks_are_of_equal_size_and_the_same_each_time():
    labels = jackknife.block_of(103, 20)
    assert sorted(np.bincount(labels)) == [5] * 17 + [6] * 3
    np.testing.assert_array_equal(labels, jackknife.block_of(103, 20))
