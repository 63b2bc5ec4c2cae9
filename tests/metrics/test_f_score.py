from __future__ import annotations

import numpy as np
import pytest
import torch

from genkit.errors import UsageError
from genkit.metrics import Evidence, f_measure, precision_recall
from genkit.metrics.f_score import f_score
from genkit.metrics.numerics import prdc
from genkit.metrics.numerics.jackknife import block_of
from genkit.metrics.precision import precision


def features(n, seed, scale=1.0):
    return np.random.default_rng(seed).standard_normal((n, 12)) * scale


@pytest.mark.parametrize("scale", [0.6, 1.3])
def test_equals_torch_fidelity(scale):
    metric_prc = pytest.importorskip("torch_fidelity.metric_prc")
    real, generated = features(300, 0), features(260, 1, scale)
    two = torch.from_numpy(generated), torch.from_numpy(real)
    expected = metric_prc.prc_features_to_metric(*two, verbose=False)["f_score"]
    assert f_measure(real, generated).value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("beta", [0.5, 1.0, 8.0])
def test_beta_weights_recall(beta):
    real, generated = features(200, 0), features(180, 1, 0.6)
    p, r = (score.value for score in precision_recall(real, generated, k=2))
    assert p > r > 0
    expected = (1 + beta**2) / (1 / p + beta**2 / r)
    assert f_measure(real, generated, k=2, beta=beta).value == pytest.approx(expected, rel=1e-12)


def test_replicates_are_the_values_of_the_remaining_rows():
    real, generated = features(150, 0), features(130, 1, 0.8)
    found = f_measure(real, generated)
    for block in (0, 7, 19):
        less_real = f_measure(real[block_of(150, 20) != block], generated)
        less_generated = f_measure(real, generated[block_of(130, 20) != block])
        assert found.replicates[block] == pytest.approx(less_real.value, rel=1e-12)
        assert found.replicates[20 + block] == pytest.approx(less_generated.value, rel=1e-12)


def test_sets_that_do_not_meet_have_an_f_score_of_zero():
    found = f_measure(features(100, 0), features(100, 1) + 1000)
    assert (found.value, found.ci_low) == (0.0, 0.0)
    assert 0 < found.ci_high < 0.1


def test_the_interval_holds_the_average():
    found = [f_measure(features(100, 2 * seed), features(120, 2 * seed + 1, 0.9)) for seed in range(150)]
    mean = np.mean([score.value for score in found])
    assert 0.9 <= np.mean([score.ci_low <= mean <= score.ci_high for score in found]) <= 1.0


def test_a_weight_that_is_no_positive_number_is_refused():
    for beta in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="beta is the weight of recall"):
            f_measure(features(20, 0), features(20, 1), beta=beta)


def made(real, generated, parameters, metric):
    evidence = Evidence.of_arrays(real_features=real, generated_features=generated, metrics=parameters)
    evidence.parameters = parameters[metric]
    return evidence


def test_it_shares_the_pass_of_precision_and_has_a_neighbourhood_of_its_own(monkeypatch):
    real, generated = features(60, 0), features(80, 1)
    parameters = {"precision": {"k": 3, "strict": False}, "f_score": {"k": 3, "strict": False, "beta": 2.0}}
    found = made(real, generated, parameters, "f_score")
    assert precision(found) == precision_recall(real, generated).precision
    with monkeypatch.context() as patch:
        patch.setattr(prdc, "manifold_scores", None)
        assert f_score(found) == f_measure(real, generated, beta=2.0)
    parameters["f_score"]["k"] = 1
    assert f_score(made(real, generated, parameters, "f_score")) == f_measure(real, generated, k=1, beta=2.0)
