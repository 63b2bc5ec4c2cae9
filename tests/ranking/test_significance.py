"""Which models differ significantly. Tests significance.py and training_noise.py."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from making import score
from scipy import stats

from genkit.ranking import significance
from genkit.ranking.significance import EvaluationNoise, delete_one_covariance, mean_error, paired_errors
from genkit.ranking.training_noise import TrainingNoise, studentized_range


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
    found = TrainingNoise.of([group.tolist() for group in groups]).differ()
    assert np.array_equal(found, expected)
    assert found.any()
    assert not found.all()


def test_scores_below_zero_are_compared_as_they_are():
    groups = [[-100.0, -101.0, -99.0], [-90.0, -91.0, -89.0], [-100.5]]
    assert TrainingNoise.of(groups).differ().tolist() == [
        [False, True, False],
        [True, False, True],
        [False, True, False],
    ]


def test_holm_needs_more_of_a_pair_the_more_pairs_there_are():
    values = np.array([0.0, 2.2])
    stderrs, freedom = np.ones((2, 2)), np.full((2, 2), 1000.0)
    assert EvaluationNoise(values, stderrs, freedom).differ()[0, 1]
    many = np.concatenate([values, np.full(8, 1.1)])
    assert not EvaluationNoise(many, np.ones((10, 10)), np.full((10, 10), 1000.0)).differ().any()


def test_holm_steps_down():
    """The largest gap needs .05 / 3, the next .05 / 2: a plain Bonferroni correction would miss it."""
    values = np.array([0.0, 2.3, 9.0])
    found = EvaluationNoise(values, np.ones((3, 3)), np.full((3, 3), 1e9)).differ()
    assert found[0, 1]
    assert 2 * stats.norm.sf(2.3) > 0.05 / 3


def test_equal_values_without_noise_do_not_differ():
    found = EvaluationNoise(np.array([1.0, 1.0, 2.0]), np.zeros((3, 3)), np.ones((3, 3))).differ()
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


def test_bartlett_s_test_is_scipy_s_on_the_scale_of_the_comparison():
    rng = np.random.default_rng(0)
    groups = [np.exp(rng.normal(0, spread, size)) for spread, size in ((0.1, 4), (0.4, 3), (0.9, 5), (0.2, 2))]
    found = TrainingNoise.of([group.tolist() for group in groups] + [[3.0]])
    assert found.equal_noise == pytest.approx(stats.bartlett(*[np.log(group) for group in groups]).pvalue)
    assert TrainingNoise.of([[1.0, 2.0], [3.0]]).equal_noise == 1.0


def test_a_model_whose_seeds_are_all_equal_makes_no_other_look_sure():
    noisy = [[1.0, 1.5, 0.7], [1.9, 2.9, 1.4]]
    assert not TrainingNoise.of(noisy).differ().any()
    assert not TrainingNoise.of([*noisy, *[[9.0] * 3] * 8]).differ()[0, 1]
    assert TrainingNoise.of([[1.0, 1.0], [2.0, 2.0]]).differ()[0, 1]


def test_some_of_a_comparison_keep_its_variance_and_are_fewer_to_tell_apart():
    rng = np.random.default_rng(1)
    whole = TrainingNoise.of(np.exp(rng.normal(0, 0.3, (9, 3))).tolist())
    few = whole.subset([4, 2])
    assert np.array_equal(few.intervals(), whole.intervals()[[4, 2]])
    assert np.array_equal(few.chances(1), whole.chances(1)[np.ix_([4, 2], [4, 2])])
    margin = studentized_range(0.95, 2, 18) / studentized_range(0.95, 9, 18)
    assert margin < 0.7
    blocks = EvaluationNoise(np.array([0.0, 2.2, 2.3]), np.ones((3, 3)), np.full((3, 3), 1e9))
    assert not blocks.differ().any()
    assert blocks.subset([0, 1]).differ()[0, 1]


@pytest.mark.parametrize("size", [3, 2, 1])
def test_replicates_that_make_no_pairs_count_as_none(size):
    made = [score(value, method="two-sample block jackknife", replicates=(0.1,) * size) for value in (1.0, 2.0)]
    errors, freedom = paired_errors(made)
    assert errors[0, 1] == pytest.approx(np.hypot(*(each.stderr for each in made)))
    assert freedom[0, 1] == 1e9


def test_the_error_of_a_mean_keeps_what_its_scores_share():
    shared = np.random.default_rng(0).normal(5, 1.0, 20)
    one = score(5.0, method="mean jackknife", replicates=tuple(shared.tolist()))
    alone = delete_one_covariance([one.replicates], "mean jackknife")[0, 0] ** 0.5
    assert mean_error([one, one, one]) == pytest.approx(alone)
    apart = [dataclasses.replace(one, replicates=()) for _ in range(3)]
    assert mean_error(apart) == pytest.approx(one.stderr / 3**0.5)


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
    found = EvaluationNoise(values, errors, freedom).differ()
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("spread", [0.0, 0.5, 3.0, 30.0])
@pytest.mark.parametrize("at_once", [1, 50, 1 << 20])
def test_ranks_are_counted_without_a_matrix_as_with_one(spread, at_once, monkeypatch):
    """With scores of three kinds, also some without replicates; the t-tests of a few rows at a time."""
    draw = np.random.default_rng(1)
    made, shared = [], draw.normal(0, 1, 40)
    for place in range(40):
        method, size = [("block jackknife", 20), ("two-sample block jackknife", 40), ("none", 0)][
            place % 3 % (1 + place % 5)
        ]
        value = draw.normal(5, spread)
        replicates = value + 0.1 * shared[:size] + draw.normal(0, 0.05, size)
        made.append(score(value, half=0.5, method=method, replicates=tuple(replicates.tolist())))
    values = np.array([each.value for each in made])
    errors, freedom = (each[:, :] for each in paired_errors(made))
    for one, other in ((0, 1), (0, 5), (3, 8)):
        few = paired_errors([made[one], made[other]])
        assert [each[0, 1] for each in few] == pytest.approx([errors[one, other], freedom[one, other]])
    whole = EvaluationNoise(values, errors, freedom).differ()
    monkeypatch.setattr(significance, "AT_ONCE", at_once)
    noises = [EvaluationNoise(values, *paired_errors(made)), EvaluationNoise(values, errors, freedom)]
    groups = [(value + draw.normal(0, 0.2, 1 + place % 4)).tolist() for place, value in enumerate(values)]
    noises.append(TrainingNoise.of(groups))
    for noise in noises:
        found = noise.differ()
        assert noise is noises[-1] or np.array_equal(found, whole)
        before, after = noise.counts()
        assert np.array_equal(before, np.tril(found).sum(axis=1))
        assert np.array_equal(after, np.triu(found).sum(axis=1))
        order = np.argsort(noise.centres)[::2].tolist()
        assert np.array_equal(noise.subset(order).counts()[0], np.tril(noise.subset(order).differ()).sum(axis=1))
