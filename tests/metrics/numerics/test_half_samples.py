from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from genkit.metrics.numerics.half_samples import Parts, ResampledMean
from genkit.metrics.numerics.jackknife import block_of
from genkit.metrics.numerics.repeats import Repeats
from genkit.results.intervals import t_quantile


def different(n):
    return Repeats.of(np.arange(n)[:, None])


def test_parts_are_all_but_a_block_then_all_then_halves():
    parts = Parts.of_samples(5, 64, 48, least=4)
    members = parts.members(different(48))
    for block in range(5):
        assert (members[:, block] == (block_of(48, 5) != block)).all()
    assert members[:, 5].all()
    assert parts.halves == slice(6, 36)


def test_halves_are_disjoint_equal_and_balanced():
    parts = Parts.of_samples(20, 160, least=4)
    halves = parts.members(different(160))[:, parts.halves]
    first, second = halves[:, :15], halves[:, 15:]
    assert (first + second == 1).all()
    assert (first.sum(axis=0) == 80).all()
    groups = block_of(160, 16)
    signs = np.array([2 * first[groups == group][0] - 1 for group in range(16)])
    assert (signs.T @ signs == 16 * np.eye(15)).all()


def test_of_a_mean_the_halves_give_its_variance():
    # 16 groups of 10: the classical variance of the mean from the means of groups.
    values = np.random.default_rng(0).standard_normal(160)
    parts = Parts.of_samples(20, 160, least=1)
    members = parts.members(different(160))
    means = values @ members / members.sum(axis=0)
    score = parts.resampled(means, means[:20], 160).score(n=160)
    groups = block_of(160, 16)
    assert score.stderr == pytest.approx(np.std([values[groups == group].mean() for group in range(16)], ddof=1) / 4)


@pytest.mark.parametrize(("n", "least", "splits"), [(15, 1, 0), (16, 8, 15), (16, 9, 0), (32, 16, 15)])
def test_sets_too_small_to_halve_have_no_halves(n, least, splits):
    parts = Parts.of_samples(20, 100, n, least=least)
    assert parts.splits == splits
    sizes = parts.members(different(n))[:, parts.halves].sum(axis=0)
    assert not splits or sizes.min() >= least


def test_without_halves_the_interval_is_the_jackknifes():
    mean = ResampledMean(0.9, np.array([0.7, 1.0, 0.9]), np.array([0.9, 0.9, 0.9]), np.empty(0), 7)
    score = mean.score(n=7, top=1.0)
    assert score.method == "two-sample block jackknife"
    assert score.stderr == pytest.approx(np.sqrt(2 * np.var([0.7, 1.0, 0.9])))
    assert (score.ci_high, score.n) == (1.0, 7)
    assert score.replicates == (0.7, 1.0, 0.9, 0.9, 0.9, 0.9)
    assert mean.exchanged().score(n=7).replicates == (0.9, 0.9, 0.9, 0.7, 1.0, 0.9)


def test_intervals_stay_in_the_range():
    score = ResampledMean(0.5, np.ones(2), np.ones(2), np.array([0.0, 5.0]), 7).score(n=7)
    assert score.ci_low == 0.0
    assert score.ci_high > 5.0
    assert "two-sample" in score.method  # how a board reads the replicates


def wilson(share, rows, quantile):
    """The ends at which a share lies ``quantile`` standard errors away."""
    return [
        brentq(lambda truth: (share - truth) ** 2 - quantile**2 * truth * (1 - truth) / rows, *ends)
        for ends in ((0.0, share), (share, 1.0))
    ]


def share_of(values, rows, top=1.0):
    """The score of a share from its value and halves."""
    return ResampledMean(values[0] * top, np.ones(2), np.ones(2), np.array(values[1:]) * top, rows).score(n=7, top=top)


@pytest.mark.parametrize("top", [1.0, 100.0])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_share_has_the_wider_of_students_interval_and_that_of_as_many_rows_as_have_its_variance(top, share):
    score = share_of([share, share + 0.04, share - 0.04], 400, top)
    assert score.stderr == pytest.approx(0.04 * top)
    low, high = wilson(share, share * (1 - share) / 0.04**2, t_quantile(1))
    student = share - t_quantile(1) * 0.04, share + t_quantile(1) * 0.04
    assert (score.ci_low, score.ci_high) == pytest.approx(
        (top * max(min(low, student[0]), 0), top * min(max(high, student[1]), 1))
    )


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("rows", [64, 200, 360, 400])
def test_where_no_half_differs_a_share_has_the_interval_of_its_rows_and_lies_in_it(share, rows):
    score = share_of([share] * 31, rows)
    assert score.ci_low <= share <= score.ci_high
    if share == 0.4:
        low, high = wilson(share, rows, t_quantile(15))
        assert (score.ci_low, score.ci_high) == pytest.approx((low, high))
    else:
        beyond = t_quantile(15) ** 2 / rows
        assert score.ci_high - score.ci_low == pytest.approx(beyond / (1 + beyond))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_none_or_all_keeps_what_the_halves_say(share):
    score = share_of([share, abs(share - 0.1), share], 10_000)
    assert score.ci_high - score.ci_low == pytest.approx(min(1, t_quantile(1) * 0.05))
