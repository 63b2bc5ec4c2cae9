from __future__ import annotations

import numpy as np
import pytest
from making import score
from scipy.stats import linregress

from genkit.errors import DataError, UsageError
from genkit.metrics import frechet_distance
from genkit.metrics.fid_inf import frechet_distance_infinity
from genkit.metrics.numerics.frechet import FeatureStatistics, distance
from genkit.ranking.significance import EvaluationNoise, delete_one_covariance, paired_errors
from genkit.results.intervals import t_quantile
from genkit.seeds import derive


def features(n, d, seed, scale=1.0, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, d)) * scale + shift


def test_is_the_intercept_of_a_line_in_one_over_n():
    # dgm-eval's formula, with this seed's subsets.
    real, generated = features(200, 4, 0), features(300, 4, 1, 1.2)
    sizes = np.linspace(min(5000, max(300 // 10, 2)), 300, 15).astype("int32")
    assert (sizes[0], sizes[-1]) == (30, 300)
    distances = []
    for index, size in enumerate(sizes):
        order = np.random.default_rng(derive(7, "frechet-infinity", index)).permutation(300)
        distances.append(frechet_distance(real, generated[order[:size]]).value)
    expected = np.polyval(np.polyfit(1.0 / sizes, distances, deg=1), 0.0)
    assert frechet_distance_infinity(real, generated, seed=7).value == pytest.approx(expected, rel=1e-9)


def test_large_sets_start_from_5000():
    assert "from 5000 to 60000" in frechet_distance_infinity(features(50, 1, 0), features(60_000, 1, 1), sizes=3).note


def test_the_bias_of_the_generated_sets_size_is_gone():
    real = FeatureStatistics.fit(features(400, 16, 0))
    truth = distance(real, FeatureStatistics(np.zeros(16), np.eye(16)))
    few = [features(1500, 16, seed) for seed in range(1, 31)]
    plain = np.mean([frechet_distance(real, x).value for x in few]) - truth
    extrapolated = np.mean([frechet_distance_infinity(real, x).value for x in few]) - truth
    assert abs(extrapolated) < 0.25 * plain


def test_influence_is_the_derivative():
    from genkit.metrics.fid_inf import _influence

    real, x = FeatureStatistics.fit(features(300, 5, 0)), features(200, 5, 1, 1.3, 0.2)
    whole = FeatureStatistics.fit(x, ddof=0)
    weights, step = np.full(200, 1 / 200), 1e-5

    def weighted(w):
        mean = w @ x
        return distance(real, FeatureStatistics(mean, (x - mean).T @ ((x - mean) * w[:, None])))

    towards = (1 - step) * weights + step * (np.arange(200) == 17)
    slope = (weighted(towards) - weighted(weights)) / step
    assert _influence(real, whole)[17] == pytest.approx(slope, rel=1e-3)


def test_replicates_give_the_standard_error():
    found = frechet_distance_infinity(features(200, 4, 0), features(300, 4, 1, 1.2))
    assert len(found.replicates) == 20
    assert delete_one_covariance([found.replicates], found.method)[0, 0] ** 0.5 == pytest.approx(found.stderr, rel=1e-9)


def test_one_seed_gives_one_number():
    pair = features(200, 4, 0), features(300, 4, 1, 1.2)
    assert frechet_distance_infinity(*pair) == frechet_distance_infinity(*pair)
    assert frechet_distance_infinity(*pair).value != frechet_distance_infinity(*pair, seed=1).value


def test_few_samples_are_noted_and_too_few_not_ranked():
    real = features(200, 16, 0)
    assert "few for 16 features" in frechet_distance_infinity(real, features(300, 16, 1)).note
    assert "few" not in frechet_distance_infinity(real, features(800, 16, 1)).note
    assert not frechet_distance_infinity(features(200, 40, 0), features(40, 40, 1)).rankable


@pytest.mark.parametrize(("n", "m"), [(40, 400), (400, 40)])
def test_either_set_of_no_more_rows_than_features_is_not_ranked(n, m):
    found = frechet_distance_infinity(features(n, 50, 0), features(m, 50, 1))
    assert not found.rankable
    assert "40 rows are too few to rank by with 50 features" in found.note
    assert frechet_distance_infinity(features(51, 50, 0), features(51, 50, 1)).rankable


def test_a_collapsed_model_is_measured():
    found = frechet_distance_infinity(features(200, 4, 0), np.ones((60, 4)))
    assert found.value == pytest.approx(frechet_distance(features(200, 4, 0), np.ones((60, 4))).value, rel=1e-9)
    assert found.stderr == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("generated", "choice", "error", "words"),
    [
        (np.ones((29, 4)), {}, DataError, "29 rows; at least 30"),
        (np.full((40, 4), np.inf), {}, DataError, "NaN or infinity"),
        (np.ones((40, 4)), {"sizes": 2}, UsageError, "sizes must be 3 or more"),
        (np.ones((40, 5)), {}, UsageError, "generated features 5"),
    ],
)
def test_what_cannot_be_measured_is_refused(generated, choice, error, words):
    with pytest.raises(error, match=words):
        frechet_distance_infinity(features(200, 4, 0), generated, **choice)


@pytest.mark.slow
@pytest.mark.parametrize(("d", "scale"), [(16, 1.0), (16, 1.3)])
def test_intervals_hold_the_distance_from_the_real_set_as_it_is(d, scale):
    rng = np.random.default_rng(0)
    real = FeatureStatistics.fit(features(500, d, 0))
    truth = distance(real, FeatureStatistics(np.full(d, 0.1), np.eye(d) * scale**2))
    found = [frechet_distance_infinity(real, rng.standard_normal((1500, d)) * scale + 0.1) for _ in range(100)]
    # An exact 95 % interval falls below 86 hits of 100 with probability 2e-4.
    assert sum(each.ci_low <= truth <= each.ci_high for each in found) >= 86


def distances_of(real, generated):
    """1 / N and distance of the subsets that seed 0 draws."""
    n = len(generated)
    sizes = np.linspace(n // 10, n, 15).astype(int)
    orders = [np.random.default_rng(derive(0, "frechet-infinity", i)).permutation(n) for i in range(15)]
    found = [frechet_distance(real, generated[order[:size]]).value for order, size in zip(orders, sizes, strict=True)]
    return 1 / sizes, np.array(found)


def test_at_the_real_set_itself_the_interval_is_that_of_the_lines_intercept():
    # the first order of the noise vanishes there
    real = features(300, 4, 0)
    found, line = frechet_distance_infinity(real, real), linregress(*distances_of(real, real))
    assert found.stderr == pytest.approx(line.intercept_stderr, rel=1e-6)
    assert found.ci_high - found.value == pytest.approx(t_quantile(13) * line.intercept_stderr, rel=1e-6)


def nearing(d):
    """A real set of 400, and generated ones that are it under less and less noise."""
    real = features(400, d, 0)
    return [(real, real + features(400, d, seed, scale=seed / 16)) for seed in range(16, 0, -1)]


def test_the_interval_is_the_wider_of_the_jackknifes_and_the_lines():
    kinds = set()
    for real, generated in nearing(8):  # subsets begin at 5 times 8
        found = frechet_distance_infinity(real, generated)
        line = linregress(*distances_of(real, generated)).intercept_stderr
        error, dof = line, 13
        if found.replicates:
            error, dof = delete_one_covariance([found.replicates], found.method)[0, 0] ** 0.5, 19
        assert found.stderr == pytest.approx(error, rel=1e-6)
        assert found.ci_high - found.value == pytest.approx(t_quantile(dof) * error, rel=1e-6)
        assert t_quantile(dof) * error >= t_quantile(13) * line * (1 - 1e-6)
        kinds.add(bool(found.replicates))
    assert kinds == {True, False}


def test_where_the_line_bends_that_counts_as_a_standard_error():
    for real, generated in nearing(9):
        found = frechet_distance_infinity(real, generated)
        x, y = distances_of(real, generated)
        line, bend = linregress(x, y).intercept_stderr, np.polyfit(x, y, 2)[-1] - found.value
        assert found.stderr >= np.hypot(line, bend) * (1 - 1e-6)
        assert found.ci_high - found.value >= t_quantile(13) * np.hypot(line, bend) * (1 - 1e-6)
        assert not found.replicates


def test_sets_at_one_distance_are_not_told_apart_where_the_first_order_is_not_the_noise():
    # replicates of the first order alone would call most of these pairs different
    real = features(2000, 100, 0)
    found = [frechet_distance_infinity(real, features(600, 100, seed, 1.1)) for seed in range(1, 7)]
    scores = [score(each.value, stderr=each.stderr, method=each.method, replicates=each.replicates) for each in found]
    errors, dof = paired_errors(scores)
    assert not EvaluationNoise(np.array([each.value for each in found]), errors, dof).differ().any()


def test_the_truth_lies_in_the_interval_also_where_the_line_bends():
    # samples begin at 60, for 40 features: the line alone holds the truth in less than half of the cases
    hits = 0
    for seed in range(40):
        real, generated = features(600, 40, seed), features(600, 40, 1000 + seed)
        found = frechet_distance_infinity(real, generated)
        truth = distance(FeatureStatistics.fit(real), FeatureStatistics(np.zeros(40), np.eye(40)))
        hits += found.ci_low <= truth <= found.ci_high
    assert hits >= 36
