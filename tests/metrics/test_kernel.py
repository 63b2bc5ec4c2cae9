from __future__ import annotations

import numpy as np
import pytest
import torch

from genkit.errors import DataError
from genkit.metrics import kernel, kernel_distance


def features(n, d, seed, scale=1.0):
    return np.random.default_rng(seed).standard_normal((n, d)) * scale


@pytest.mark.parametrize(("degree", "gamma", "coef"), [(3, None, 1.0), (2, 0.1, 0.5)])
def test_equals_torch_fidelity_when_the_subset_is_the_set(degree, gamma, coef):
    metric_kid = pytest.importorskip("torch_fidelity.metric_kid")
    real, generated = features(150, 16, 0), features(150, 16, 1, 1.2)
    expected = metric_kid.kid_features_to_metric(
        torch.from_numpy(real),
        torch.from_numpy(generated),
        kid_subsets=1,
        kid_subset_size=150,
        kid_kernel_poly_degree=degree,
        kid_kernel_poly_gamma=gamma,
        kid_kernel_poly_coef0=coef,
        verbose=False,
    )
    found = kernel_distance(real, generated, degree=degree, gamma=gamma, coef=coef)
    assert found.value == pytest.approx(expected[metric_kid.KEY_METRIC_KID_MEAN], rel=1e-10)


def test_tiles_do_not_matter(monkeypatch):
    real, generated = features(157, 8, 0), features(203, 8, 1, 1.2)
    whole = kernel_distance(real, generated)
    monkeypatch.setattr(kernel, "_TILE", 13)
    tiled = kernel_distance(real, generated)
    assert tiled.value == pytest.approx(whole.value, rel=1e-10)
    assert tiled.replicates == pytest.approx(whole.replicates, rel=1e-9)


def test_replicates_leave_out_one_block_each():
    real, generated = features(157, 8, 0), features(203, 8, 1, 1.2)
    found = kernel_distance(real, generated)
    without_real = kernel_distance(real[np.arange(157) % 20 != 4], generated).value
    without_generated = kernel_distance(real, generated[np.arange(203) % 20 != 4]).value
    assert found.replicates[4] == pytest.approx(without_real, rel=1e-9)
    assert found.replicates[24] == pytest.approx(without_generated, rel=1e-9)


def test_a_set_with_itself_is_not_zero():
    real = features(100, 8, 0)
    assert kernel_distance(real, real).value < -1e-3


def test_unbiased_and_covered_where_the_distance_is_known():
    # Linear kernel: the squared distance of the means, 4 * 0.5^2 = 1.
    hits, values = 0, []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        found = kernel_distance(
            rng.standard_normal((120, 4)), rng.standard_normal((160, 4)) + 0.5, degree=1, gamma=1.0, coef=0.0
        )
        values.append(found.value)
        hits += found.ci_low <= 1.0 <= found.ci_high
    assert abs(np.mean(values) - 1.0) < 4 * np.std(values) / np.sqrt(150)
    assert 0.88 <= hits / 150  # noqa: SIM300


def test_nan_is_refused():
    with pytest.raises(DataError, match="generated features holds NaN"):
        kernel_distance(features(10, 2, 0), np.full((10, 2), np.nan))
