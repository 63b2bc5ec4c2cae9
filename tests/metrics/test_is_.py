from __future__ import annotations

import numpy as np
import pytest
import torch

from genkit.errors import DataError, UnknownName, UsageError
from genkit.metrics import Evidence, inception_score
from genkit.metrics.is_ import is_
from genkit.metrics.numerics.jackknife import block_of
from genkit.ranking.significance import delete_one_covariance


def logits(n, k=10, seed=0):
    return np.random.default_rng(seed).standard_normal((n, k)).astype(np.float32) * 3


@pytest.mark.parametrize("n", [1003, 17])
@pytest.mark.parametrize("splits", [10, 3, 1])
def test_equals_torch_fidelity(n, splits):
    metric_isc = pytest.importorskip("torch_fidelity.metric_isc")
    expected = metric_isc.isc_features_to_metric(torch.from_numpy(logits(n)), splits)
    assert inception_score(logits(n), splits).value == pytest.approx(
        expected[metric_isc.KEY_METRIC_ISC_MEAN], rel=1e-10
    )


@pytest.mark.slow  # torchmetrics takes its time to import
@pytest.mark.filterwarnings("ignore:Metric `InceptionScore`")
@pytest.mark.parametrize(("n", "splits"), [(1003, 10), (22, 10), (17, 3)])
def test_equals_torchmetrics_under_the_same_shuffle(n, splits, monkeypatch):
    inception = pytest.importorskip("torchmetrics.image.inception")
    metric = inception.InceptionScore(torch.nn.Identity(), splits=splits)
    metric.update(torch.from_numpy(logits(n)).double())
    shuffle = torch.from_numpy(np.random.RandomState(2020).permutation(n))
    monkeypatch.setattr(torch, "randperm", lambda count: shuffle)
    expected = metric.compute()[0].item()
    assert inception_score(logits(n), splits, rule="torchmetrics").value == pytest.approx(expected, rel=1e-10)


def plain_score(logits):
    p = torch.from_numpy(logits).double().softmax(1).numpy()
    return np.exp((p * (np.log(p) - np.log(p.mean(0)))).sum(1).mean())


def test_torchmetrics_may_have_fewer_splits():
    order = np.random.RandomState(2020).permutation(22)
    expected = np.mean([plain_score(logits(22)[order[start : start + 3]]) for start in range(0, 22, 3)])
    assert inception_score(logits(22), 10, rule="torchmetrics").value == pytest.approx(expected, rel=1e-10)


def test_stylegan3_does_not_shuffle():
    expected = np.mean([plain_score(logits(103)[i * 103 // 10 : (i + 1) * 103 // 10]) for i in range(10)])
    assert inception_score(logits(103), 10, rule="stylegan3").value == pytest.approx(expected, rel=1e-10)


def test_dgm_drops_the_remainder():
    order = np.random.RandomState(2020).permutation(109)
    expected = np.mean([plain_score(logits(109)[order[i * 10 : (i + 1) * 10]]) for i in range(10)])
    assert inception_score(logits(109), 10, rule="dgm").value == pytest.approx(expected, rel=1e-10)


def test_another_rule_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'stylegan3'"):
        inception_score(logits(100), rule="stylegan2")


def test_uniform_predictions_score_1():
    found = inception_score(np.zeros((100, 10)))
    assert (found.value, found.stderr) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_balanced_one_hot_scores_the_number_of_classes():
    certain = np.tile(np.eye(10) * 1e4, (20, 1))
    assert inception_score(certain, splits=1).value == pytest.approx(10.0, rel=1e-9)


def test_the_order_of_the_classes_does_not_matter():
    shuffled = np.random.default_rng(0).permutation(10)
    expected = inception_score(logits(200)).value
    assert inception_score(logits(200)[:, shuffled]).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("splits", [10, 1])
def test_replicates_leave_out_every_twentieth_row(splits):
    found = inception_score(logits(500), splits)
    order = np.random.RandomState(2020).permutation(500)
    rows = [order[i * 500 // splits : (i + 1) * 500 // splits] for i in range(splits)]
    expected = np.mean([plain_score(logits(500)[part[block_of(500, 20)[part] != 3]]) for part in rows])
    assert found.replicates[3] == pytest.approx(expected, rel=1e-9)
    assert delete_one_covariance([found.replicates], found.method)[0, 0] ** 0.5 == pytest.approx(found.stderr, rel=1e-9)


def test_splits_of_one_row_are_measured():
    assert inception_score(logits(10), 10).value == pytest.approx(1.0, abs=1e-12)


@pytest.mark.slow
def test_intervals_hold_the_average_score_of_such_sets_which_splits_bias():
    # Examples of 50 kinds: q is the mean of their p, so the score of endless samples is known.
    kinds = logits(50, 50, seed=1).astype(np.float64)
    rng = np.random.default_rng(0)
    found = [inception_score(kinds[rng.integers(50, size=2000)]) for _ in range(150)]
    truth = np.mean([each.value for each in found])
    hits = sum(each.ci_low <= truth <= each.ci_high for each in found)
    assert truth < 0.97 * plain_score(kinds)
    # An exact 95 % interval falls below 132 hits of 150 with probability 4e-4.
    assert 132 <= hits < 150


@pytest.mark.parametrize("splits", [0, 101])
def test_a_wrong_number_of_splits_is_refused(splits):
    with pytest.raises(DataError, match="splits must be between 1 and the 100 rows.*-p is.splits=10 does"):
        inception_score(logits(100), splits)


def test_infinite_logits_are_refused():
    with pytest.raises(DataError, match="logits holds NaN"):
        inception_score(np.full((10, 3), -np.inf))


def test_an_extractor_without_logits_is_refused():
    with pytest.raises(UsageError, match="logits"):
        is_(Evidence.of_arrays(generated_logits=None))


def test_it_is_of_the_logits_of_the_samples_with_the_parameters_of_the_protocol():
    found = Evidence.of_arrays(generated_logits=logits(80), parameters={"splits": 4, "rule": "dgm"})
    assert is_(found) == inception_score(logits(80), 4, rule="dgm")


@pytest.mark.parametrize("precision", [np.float64, np.float32, np.float16])
def test_probabilities_given_as_logits_are_said(precision):
    p = np.exp(logits(200).astype(np.float64))
    p = (p / p.sum(axis=1, keepdims=True)).astype(precision)
    assert inception_score(p).note.startswith("rows sum to 1, as probabilities do, but logits are expected")
    assert "probabilities" not in inception_score(logits(200)).note
    assert "probabilities" not in inception_score(np.log(p.astype(np.float64) + 1e-9)).note
