from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from genkit.metrics.numerics.expected_coverage import expected_coverage, share_of_good


def exact(n, i, k):
    """E min(J, k) / k of a beta-binomial J, in fractions."""

    def beta(a, b):
        return Fraction(math.factorial(a - 1) * math.factorial(b - 1), math.factorial(a + b - 1))

    return sum(
        Fraction(min(j, k), k) * math.comb(i, j) * beta(k + j, n - k + i - j) / beta(k, n - k) for j in range(i + 1)
    )


@pytest.mark.parametrize(("n", "m", "k"), [(40, 30, 5), (6, 25, 5), (300, 200, 1), (12, 60, 3)])
def test_is_the_expectation_of_a_beta_binomial(n, m, k):
    found = expected_coverage(n, m, k)
    assert len(found) == m + 1
    assert not found[:k].any()
    assert found[k:] == pytest.approx([float(exact(n, i, k)) for i in range(k, m + 1)], rel=1e-13)
    assert (np.diff(found[k - 1 :]) > 0).all()


def test_large_sets_have_finite_expectations():
    found = expected_coverage(50_000, 50_000, 5)
    assert (np.diff(found[4:]) > 0).all()
    assert found[-1] == pytest.approx(1 - math.comb(10, 5) / 2**10, abs=1e-4)  # n = m: E |J - k| of negative binomials


def test_the_share_is_the_least_number_of_good_samples():
    values = expected_coverage(40, 30, 5)
    assert share_of_good(0.0, 40, 30, 5) == 0
    assert share_of_good(float(values[20]), 40, 30, 5) == 20 / 31
    assert share_of_good(float(values[20]) + 1e-9, 40, 30, 5) == 21 / 31
    assert share_of_good(1.0, 40, 30, 5) == 1


def test_balls_without_a_kth_neighbour_hold_everything():
    assert expected_coverage(3, 6, 3).tolist() == [0, 0, 0, 1, 1, 1, 1]
