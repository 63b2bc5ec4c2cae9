from __future__ import annotations

import numpy as np
import pytest
import torch

from genkit.metrics.density_coverage import density_coverage


def features(n, d, seed, scale=1.0):
    return (np.random.default_rng(seed).standard_normal((n, d)) * scale).astype(np.float32)


@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_equals_prdc(k, scale):
    prdc = pytest.importorskip("prdc")
    real, generated = features(300, 24, 0), features(260, 24, 1, scale)
    reference = prdc.compute_prdc(real, generated, k)
    found = density_coverage(torch.from_numpy(real), torch.from_numpy(generated), k=k)
    assert found.density.value == pytest.approx(reference["density"], rel=1e-12)
    assert found.coverage.value == reference["coverage"]


def test_expected_values_of_equal_distributions():
    n, m, k = 60, 80, 5
    found = [density_coverage(features(n, 6, 2 * seed), features(m, 6, 2 * seed + 1), k=k) for seed in range(150)]
    i = np.arange(1, k + 1)
    for scores, expected in zip(zip(*found, strict=True), (1.0, 1 - np.prod((n - i) / (m + n - i))), strict=True):
        values = [score.value for score in scores]
        assert abs(np.mean(values) - expected) < 4 * np.std(values) / np.sqrt(150)
        hits = np.mean([score.ci_low <= expected <= score.ci_high for score in scores])
        assert 0.88 <= hits <= 1.0


def test_density_exceeds_one_where_generated_rows_crowd():
    found = density_coverage(features(200, 8, 0), features(200, 8, 1, 0.5))
    assert found.density.value > 2
    assert found.density.ci_high > found.density.value
    assert found.coverage.ci_high <= 1.0


def test_a_collapsed_model_covers_little():
    real = features(200, 8, 0)
    found = density_coverage(real, np.repeat(real[:1] + np.float32(0.01), 200, axis=0))
    assert found.coverage.value < 0.2


def test_the_rim_counts_only_if_not_strict():
    real = np.arange(12.0)[:, None]
    generated = real + 2.0  # on the rim of the balls to the second neighbour of two to one side
    strict, loose = (density_coverage(real, generated, k=1, strict=strict) for strict in (True, False))
    assert strict.density.value == 10 / 12  # only where a generated row equals a real one
    assert loose.density.value == pytest.approx((10 + 9 + 11) / 12)
