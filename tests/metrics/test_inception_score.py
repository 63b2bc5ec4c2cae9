from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genkit.errors import DataError, UsageError
from genkit.metrics import inception_score
from genkit.metrics.inception_score import inception_score_of
from genkit.ranking import delete_one_stderr


def logits(n, k=10, seed=0):
    return np.random.default_rng(seed).standard_normal((n, k)).astype(np.float32) * 3


@pytest.mark.parametrize("n", [1003, 17])
@pytest.mark.parametrize("splits", [10, 3, 1])
def test_equals_torch_fidelity(n, splits):
    metric_isc = pytest.importorskip("torch_fidelity.metric_isc")
    expected = metric_isc.isc_features_to_metric(torch.from_numpy(logits(n)), splits)
    found = inception_score(logits(n), splits)
    assert found.value == pytest.approx(expected[metric_isc.KEY_METRIC_ISC_MEAN], rel=1e-10)
    if splits > 1:
        spread = expected[metric_isc.KEY_METRIC_ISC_STD] / np.sqrt(splits - 1)
        assert found.stderr == pytest.approx(spread, rel=1e-9)


def test_uniform_predictions_score_1():
    assert inception_score(np.zeros((100, 10))).value == pytest.approx(1.0, abs=1e-12)


def test_balanced_one_hot_scores_the_number_of_classes():
    certain = np.tile(np.eye(10) * 1e4, (20, 1))
    assert inception_score(certain, splits=1).value == pytest.approx(10.0, rel=1e-9)


def test_replicates_give_the_standard_error():
    for splits in (10, 1):
        found = inception_score(logits(500), splits)
        assert delete_one_stderr(found.replicates, found.method) == pytest.approx(found.stderr, rel=1e-9)


@pytest.mark.parametrize("splits", [0, 101])
def test_a_wrong_number_of_splits_is_refused(splits):
    with pytest.raises(UsageError, match="splits must be between 1 and the 100 rows"):
        inception_score(logits(100), splits)


def test_infinite_logits_are_refused():
    with pytest.raises(DataError, match="logits holds NaN"):
        inception_score(np.full((10, 3), -np.inf))


def test_an_extractor_without_logits_is_refused():
    with pytest.raises(UsageError, match="logits"):
        inception_score_of(SimpleNamespace(generated=SimpleNamespace(logits=None)))
