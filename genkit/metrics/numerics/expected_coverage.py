"""What clipped coverage is on average for equal distributions, and the share of good samples that it stands for."""

from __future__ import annotations

import functools

import numpy as np

from genkit.metrics.numerics.half_samples import Array


def share_of_good(coverage: float, n: int, m: int, k: int) -> float:
    """Return i / (m + 1), where i samples of the real distribution, of m, would give this ``coverage`` of n real rows.

    i is the least number, up to m + 1, whose expected coverage is not below it (Salvy et al. 2026, arXiv:2507.01761).
    """
    return float(np.searchsorted(expected_coverage(n, m, k), coverage)) / (m + 1)


@functools.lru_cache(maxsize=32)
def expected_coverage(n: int, m: int, k: int) -> Array:
    """Return E min(J, k) / k for i = 0 ... m samples, [m + 1], J of which lie in the ball of one of n real rows.

    The mass of a ball up to the k-th of n - 1 other rows is Beta(k, n - k), so J is beta-binomial:
    P(J = 0) = prod_{j < k} (n - k + j)/(n - k + i + j), and P(J = t + 1) / P(J = t) = (i - t)(k + t) /
    ((t + 1)(n - k + i - t - 1)). As in the paper's code it is 0 for fewer than k samples.
    """
    i = np.arange(m + 1, dtype=np.float64)
    if n <= k:  # there is no k-th other row: a ball holds everything
        return np.where(i < k, 0.0, 1.0)
    none = np.arange(k) + n - k
    probability: Array = np.prod([each / (each + i) for each in none], axis=0)
    missing = k * probability
    for t in range(k - 1):
        probability = probability * (i - t) * (k + t) / ((t + 1) * np.maximum(n - k + i - t - 1, 1))
        missing += (k - t - 1) * probability
    expected: Array = np.where(i < k, 0.0, 1 - missing / k)
    return expected
