from __future__ import annotations

import math

import numpy as np
import pytest

from genkit.errors import DataError, UsageError
from genkit.metrics import mean_score
from genkit.metrics.bits_per_dim import bits_per_dimension


def test_uniform_noise_costs_the_levels():
    found = bits_per_dimension(np.full(10, -64 * math.log(17)), 64, levels=17)
    assert found.value == pytest.approx(math.log2(17), rel=1e-12)
    assert found.note == "uniform over 17 levels: 4.087"


def test_is_the_mean_in_bits():
    nats = np.random.default_rng(0).normal(-90, 5, 300)
    expected = mean_score(-nats / (64 * math.log(2)))
    found = bits_per_dimension(nats, 64)
    assert (found.value, found.stderr, found.replicates) == (expected.value, expected.stderr, expected.replicates)


def test_the_likelier_the_fewer():
    assert bits_per_dimension([-10.0, -12.0], 4).value < bits_per_dimension([-20.0, -22.0], 4).value


def test_a_density_is_refused():
    with pytest.raises(DataError, match="above 0, so it is a density's"):
        bits_per_dimension([-3.0, 0.5], 4)


@pytest.mark.parametrize(
    ("values", "dims", "levels", "error", "words"),
    [
        ([-1.0, -2.0], 0, 256, UsageError, "1 dimension and 2 levels or more, not 0 and 256"),
        ([-1.0, -2.0], 4, 1, UsageError, "not 4 and 1"),
        ([-1.0, -math.inf], 4, 256, DataError, "log likelihoods holds NaN or infinity, first in row 1"),
        ([-1.0], 4, 256, DataError, "at least 2"),
        (np.zeros((2, 2)), 4, 256, UsageError, r"must be \[n\]"),
    ],
)
def test_what_cannot_be_measured_is_refused(values, dims, levels, error, words):
    with pytest.raises(error, match=words):
        bits_per_dimension(values, dims, levels)
