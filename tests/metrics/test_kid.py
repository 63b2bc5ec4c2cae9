from __future__ import annotations

import dataclasses
import functools
from fractions import Fraction

import numpy as np
import pytest
import references
import torch

from genkit.errors import DataError, UsageError
from genkit.metrics import Evidence, kernel_distance
from genkit.metrics.kid import Subsets, kid
from genkit.metrics.numerics import mmd
from genkit.metrics.numerics.jackknife import block_of


def features(n, d, seed, scale=1.0):
    return np.random.default_rng(seed).standard_normal((n, d)) * scale


@pytest.mark.parametrize(("degree", "gamma", "coef"), [(3, None, 1.0), (2, 0.1, 0.5)])
def test_equals_torch_fidelity_when_the_subset_is_the_set(degree, gamma, coef):
    metric_kid = pytest.importorskip("torch_fidelity.metric_kid")
    real, generated = features(150, 16, 0), features(150, 16, 1, 1.2)
    expected = metric_kid.kid_features_to_metric(
        torch.from_numpy(generated),
        torch.from_numpy(real),
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
    monkeypatch.setattr(mmd, "_TILE", 13)
    tiled = kernel_distance(real, generated)
    assert tiled.value == pytest.approx(whole.value, rel=1e-10)
    assert tiled.replicates == pytest.approx(whole.replicates, rel=1e-9)


def test_replicates_leave_out_one_block_each():
    real, generated = features(157, 8, 0), features(203, 8, 1, 1.2)
    found = kernel_distance(real, generated)
    without_real = kernel_distance(real[block_of(157, 20) != 4], generated).value
    without_generated = kernel_distance(real, generated[block_of(203, 20) != 4]).value
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


SUBSETS = Subsets(count=12, size=30)


@pytest.mark.parametrize("n", [100, 400], ids=["one kernel of all rows", "one of each subset"])
def test_subsets_are_torch_fidelitys(n):
    metric_kid = pytest.importorskip("torch_fidelity.metric_kid")
    real, generated = features(n, 16, 0), features(n + 20, 16, 1, 1.2)
    two = torch.from_numpy(generated), torch.from_numpy(real)
    expected = metric_kid.kid_features_to_metric(*two, kid_subsets=12, kid_subset_size=30, verbose=False)
    found = kernel_distance(real, generated, subsets=SUBSETS)
    assert found.value == pytest.approx(expected[metric_kid.KEY_METRIC_KID_MEAN], rel=1e-10)
    assert references.deviation(found) == pytest.approx(expected[metric_kid.KEY_METRIC_KID_STD], rel=1e-8)
    assert found.note.startswith("12 subsets, standard deviation ")
    turned = dataclasses.replace(SUBSETS, generated_first=False)
    assert kernel_distance(generated, real, subsets=turned).value == pytest.approx(found.value, rel=1e-10)
    assert kernel_distance(generated, real, subsets=SUBSETS).value != pytest.approx(found.value, rel=1e-3)


@pytest.mark.parametrize(("n", "m"), [(80, 1200), (1300, 1200)])
def test_subsets_are_clean_fids(n, m):
    real, generated = features(n, 4, 0), features(m, 4, 1, 1.2)
    few = Subsets(3, seed=0, shrink=True)
    assert kernel_distance(real, generated, subsets=few).value == pytest.approx(
        references.kernel(real, generated, 3), rel=1e-9
    )


@pytest.mark.parametrize("n", [100, 400], ids=["one kernel of all rows", "one of each subset"])
def test_replicates_leave_a_block_out_of_every_subset(n):
    real, generated = features(n, 4, 0), features(n, 4, 1, 1.2)
    found = kernel_distance(real, generated, subsets=SUBSETS)
    values = []
    for i, j in zip(*SUBSETS.draw(n, n), strict=True):
        values.append(kernel_distance(real[i[block_of(n, 20)[i] != 4]], generated[j]).value)
    assert found.replicates[4] == pytest.approx(np.mean(values), rel=1e-9)


def test_subsets_that_are_the_set_are_the_set():
    real, generated = features(100, 4, 0), features(100, 4, 1, 1.2)
    whole = kernel_distance(real, generated)
    found = kernel_distance(real, generated, subsets=Subsets(count=2, size=100))
    assert found.value == pytest.approx(whole.value, rel=1e-10)
    assert found.stderr == pytest.approx(whole.stderr, rel=1e-9)


@pytest.mark.parametrize(
    ("subsets", "error", "words"),
    [
        (Subsets(), DataError, "subsets of 1000 rows need as many of each set, which have 50 and 60"),
        (Subsets(count=0, size=10), UsageError, "not 0 of 10"),
        (Subsets(count=5, size=2), UsageError, "subsets are too small"),
    ],
)
def test_subsets_that_cannot_be_drawn_are_refused(subsets, error, words):
    with pytest.raises(error, match=words):
        kernel_distance(features(50, 4, 0), features(60, 4, 1), subsets=subsets)


def test_symmetric_and_indifferent_to_order():
    real, generated = features(157, 8, 0), features(203, 8, 1, 1.2)
    expected = kernel_distance(real, generated).value
    assert kernel_distance(generated, real).value == pytest.approx(expected, rel=1e-9)
    shuffled = np.random.default_rng(0).permutation(generated)
    assert kernel_distance(real, shuffled).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("subsets", [None, SUBSETS])
def test_single_precision_loses_nothing_that_counts(subsets):
    """A plain product of float32 rows with a large mean would be off in the third digit."""
    real, generated = ((features(400, 64, seed) + 30).astype(np.float32) for seed in (0, 1))
    exact = kernel_distance(real.astype(np.float64), generated.astype(np.float64), subsets=subsets)
    found = kernel_distance(real, generated, subsets=subsets)
    assert found.value == pytest.approx(exact.value, rel=1e-6)
    assert found.stderr == pytest.approx(exact.stderr, rel=1e-6)
    plain = [(x @ y.T / 64 + 1) ** 3 for x, y in ((real, real), (generated, generated), (real, generated))]
    naive = sum((k.sum() - np.trace(k)) / (400 * 399) for k in plain[:2]) - 2 * plain[2].mean()
    assert abs(naive - kernel_distance(real.astype(np.float64), generated.astype(np.float64)).value) > 1e-3 * abs(
        exact.value
    )


def test_half_precision_is_widened_before_it_is_multiplied():
    real, generated = (features(100, 16, seed).astype(np.float16) for seed in (0, 1))
    exact = kernel_distance(real.astype(np.float64), generated.astype(np.float64))
    assert kernel_distance(real, generated).value == pytest.approx(exact.value, rel=1e-6)


def test_an_interval_reaches_up_to_what_a_squared_distance_can_be():
    real = features(100, 8, 0)
    found = kernel_distance(real, real)
    assert found.value + found.stderr < 0
    assert found.ci_low < found.value
    assert found.ci_high == 0.0


def test_kid_is_the_kernel_distance_of_the_features_with_its_parameters():
    real, generated = features(60, 6, 0), features(80, 6, 1)
    made = functools.partial(Evidence.of_arrays, real_features=real, generated_features=generated)
    assert kid(made(parameters={"subsets": 0})) == kernel_distance(real, generated)
    parameters = {"subsets": 3, "size": 40, "seed": 7, "shrink": True, "generated_first": True}
    expected = kernel_distance(real, generated, subsets=Subsets(3, 40, 7, shrink=True, generated_first=True))
    assert kid(made(parameters=parameters)) == expected


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("mean", [0.0, 1e3, 1e6])
def test_far_from_zero_the_value_is_that_of_exact_arithmetic(mean, precision):
    # Multiples of 1/16, so that integers hold 16 times the features, and single precision the features.
    rng = np.random.default_rng(0)
    real, generated = (
        np.round((rng.standard_normal((n, 8)) * scale + mean) * 16) / 16 for n, scale in ((60, 1.0), (50, 1.1))
    )
    x, y = ([[int(value * 16) for value in row] for row in rows.tolist()] for rows in (real, generated))

    def mean_kernel(one, two):
        kernels = [
            (sum(a * b for a, b in zip(u, v, strict=True)) + 8 * 16**2) ** 3
            for i, u in enumerate(one)
            for j, v in enumerate(two)
            if one is not two or i != j
        ]
        return Fraction(sum(kernels), len(kernels) * (8 * 16**2) ** 3)

    exact = float(mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y))
    found = kernel_distance(real.astype(precision), generated.astype(precision)).value
    assert found == pytest.approx(exact, rel=1e-5 if precision == np.float32 else 1e-8)
