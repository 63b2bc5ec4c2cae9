from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from genkit.significance import OverBlocks, OverSeeds, delete_one_covariance, studentized_range


@pytest.mark.parametrize("groups", [2, 3, 10, 50])
@pytest.mark.parametrize("freedom", [1, 2, 6, 20, 500, np.inf])
def test_the_quantile_is_scipy_s(groups, freedom):
    for probability in (0.5, 0.95, 0.99):
        expected = stats.studentized_range.ppf(probability, groups, freedom)
        assert studentized_range(probability, groups, freedom) == pytest.approx(
            expected, rel=2e-3 if freedom == 1 else 1e-4
        )


def test_decisions_are_those_of_scipy_s_tukey_test():
    rng = np.random.default_rng(0)
    groups = [np.exp(rng.normal(mean, 0.2, size)) for mean, size in ((0, 3), (0.1, 5), (0.7, 3), (1.5, 4), (1.6, 2))]
    expected = stats.tukey_hsd(*[np.log(group) for group in groups]).pvalue < 0.05
    found = OverSeeds([group.tolist() for group in groups]).differ()
    assert np.array_equal(found, expected)
    assert found.any()
    assert not found.all()


def test_scores_below_zero_are_compared_as_they_are():
    groups = [[-100.0, -101.0, -99.0], [-90.0, -91.0, -89.0], [-100.5]]
    assert OverSeeds(groups).differ().tolist() == [[False, True, False], [True, False, True], [False, True, False]]


def test_holm_needs_more_of_a_pair_the_more_pairs_there_are():
    values = np.array([0.0, 2.2])
    stderrs, freedom = np.ones((2, 2)), np.full((2, 2), 1000.0)
    assert OverBlocks(values, stderrs, freedom).differ()[0, 1]
    many = np.concatenate([values, np.full(8, 1.1)])
    assert not OverBlocks(many, np.ones((10, 10)), np.full((10, 10), 1000.0)).differ().any()


def test_holm_steps_down():
    """The largest gap needs .05 / 3, the next .05 / 2: a plain Bonferroni correction would miss it."""
    values = np.array([0.0, 2.3, 9.0])
    found = OverBlocks(values, np.ones((3, 3)), np.full((3, 3), 1e9)).differ()
    assert found[0, 1]
    assert 2 * stats.norm.sf(2.3) > 0.05 / 3


def test_equal_values_without_noise_do_not_differ():
    found = OverBlocks(np.array([1.0, 1.0, 2.0]), np.zeros((3, 3)), np.ones((3, 3))).differ()
    assert found.tolist() == [[False, False, True], [False, False, True], [True, True, False]]


def test_the_delete_one_error_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=50)
    deleted = (values.sum() - values) / 49
    expected = values.std(ddof=1) / 50**0.5
    assert delete_one_covariance([deleted], "jackknife")[0, 0] ** 0.5 == pytest.approx(expected, rel=1e-12)


def test_the_delete_one_error_of_two_samples_adds_their_variances():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 40), rng.normal(0, 3, 40)
    replicates = [*((x.sum() - x) / 39 - y.mean()), *(x.mean() - (y.sum() - y) / 39)]
    expected = np.hypot(x.std(ddof=1), y.std(ddof=1)) / 40**0.5
    assert delete_one_covariance([replicates], "two-sample block jackknife")[0, 0] ** 0.5 == pytest.approx(
        expected, rel=1e-12
    )


def test_what_blocks_share_drops_out_of_a_difference():
    rng = np.random.default_rng(0)
    shared, own = rng.normal(5, 1.0, 20), rng.normal(0, 0.01, (2, 20))
    covariance = delete_one_covariance(shared + own, "mean jackknife")
    error = (covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]) ** 0.5
    assert error == pytest.approx(delete_one_covariance([own[0] - own[1]], "mean jackknife")[0, 0] ** 0.5, rel=1e-6)
    assert error < 0.05 * covariance[0, 0] ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
def test_a_board_of_ten_models_is_free_of_false_differences_at_95_per_cent(seeds):
    """Over 1,000 boards: no difference against the true order, and of two equal models hardly ever one."""
    rng = np.random.default_rng(seeds)
    truth = np.log(np.array([1.0, 1.0, 1.2, 1.5, 1.6, 2.0, 2.5, 3.0, 4.0, 8.0]))
    wrong = equal = 0
    for _ in range(1000):
        groups = np.exp(truth[:, None] + rng.normal(0, 0.15, (10, seeds)))
        found = OverSeeds(groups.tolist()).differ()
        means = np.log(groups).mean(axis=1)
        against = found & ((means[:, None] < means) & (truth[:, None] >= truth))
        wrong += bool(against.any())
        equal += bool(found[0, 1])
    assert wrong / 1000 <= 0.06
    assert equal / 1000 <= 0.06


@pytest.mark.parametrize("spread", [0.5, 3.0, 30.0])
def test_holm_s_procedure_is_that_of_one_sorted_list(spread):
    """With few, some and nearly all pairs apart, and two kinds of freedom."""
    rng = np.random.default_rng(0)
    values, size = rng.normal(0, spread, 40), 40
    errors = rng.uniform(0.5, 1.5, (size, size))
    errors, freedom = errors + errors.T, np.where(np.add.outer(np.arange(size), np.arange(size)) % 2, 19.0, 1e9)
    one, other = np.triu_indices(size, 1)
    p_values = 2 * stats.t.sf(np.abs(values[one] - values[other]) / errors[one, other], freedom[one, other])
    expected = np.zeros((size, size), bool)
    for place, pair in enumerate(np.argsort(p_values)):
        if p_values[pair] > 0.05 / (len(p_values) - place):
            break
        expected[one[pair], other[pair]] = expected[other[pair], one[pair]] = True
    found = OverBlocks(values, errors, freedom).differ()
    assert np.array_equal(found, expected)
