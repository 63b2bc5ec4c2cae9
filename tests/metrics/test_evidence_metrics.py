from __future__ import annotations

import numpy as np
import pytest
from evidences import evidence as made

from genkit.errors import DataError
from genkit.metrics import (
    Subsets,
    density_coverage,
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_recall,
)
from genkit.metrics.coverage import coverage
from genkit.metrics.density import density
from genkit.metrics.elbo import elbo
from genkit.metrics.evidence import Features
from genkit.metrics.fid import fid
from genkit.metrics.inception_score import inception_score_of
from genkit.metrics.kid import kid
from genkit.metrics.mse import mse
from genkit.metrics.nll import nll
from genkit.metrics.precision import precision
from genkit.metrics.recall import recall


@pytest.fixture
def evidence(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.random((2500, 1, 4, 4), dtype=np.float32)
    np.save(tmp_path / "images.npy", images)
    real, generated = (Features(rng.random((n, 6)), rng.random((n, 3))) for n in (60, 80))
    return made(
        real=real,
        generated=generated,
        test_images=np.load(tmp_path / "images.npy", mmap_mode="r"),
        reconstructions=images * 0.5,
        log_likelihood=lambda importance_samples: np.array([-80.0, -82.0, -84.0]) * importance_samples,
    )


def test_fid_and_kid_compare_the_features(evidence):
    pair = evidence.real.features, evidence.generated.features
    evidence.parameters = {"ddof": 1, "mean_dtype": "float64"}
    assert fid(evidence) == frechet_distance(*pair)
    evidence.parameters = {"subsets": 0}
    assert kid(evidence) == kernel_distance(*pair)


def test_the_parameters_of_a_reference_reach_its_definition(evidence):
    pair = evidence.real.features, evidence.generated.features
    evidence.parameters = {"ddof": 0, "mean_dtype": "float32"}
    assert fid(evidence) == frechet_distance(*pair, ddof=0, mean_dtype="float32")
    evidence.parameters = {"subsets": 3, "size": 40, "seed": 7, "shrink": True, "generated_first": True}
    subsets = Subsets(3, 40, 7, shrink=True, generated_first=True)
    assert kid(evidence) == kernel_distance(*pair, subsets=subsets)
    evidence.parameters = {"splits": 4, "rule": "dgm"}
    assert inception_score_of(evidence) == inception_score(evidence.generated.logits, 4, rule="dgm")


def test_a_kept_fit_of_the_reference_gives_the_same_distance(evidence):
    evidence.parameters = {"ddof": 1, "mean_dtype": "float64"}
    kept = {}

    def remembered(name, compute):
        return kept.setdefault(name, compute())

    evidence.remembered = remembered
    first = fid(evidence)
    assert list(kept) == ["gaussian-1"]
    assert fid(evidence) == first


def test_the_four_neighbour_metrics_share_one_pass(evidence):
    asked = {"precision": {"k": 3, "strict": False}, "recall": {"k": 3, "strict": False}}
    asked |= {"density": {"k": 5, "strict": True}, "coverage": {"k": 5, "strict": True}}
    evidence.parameters_of = asked.get
    pair = evidence.real.features, evidence.generated.features
    found = [metric(evidence) for metric in (precision, recall, density, coverage)]
    assert found == [*precision_recall(*pair), *density_coverage(*pair)]
    evidence.generated = evidence.real
    assert precision(evidence) == found[0]


def test_inception_score_is_of_the_generated(evidence):
    evidence.parameters = {"splits": 10, "rule": "torch-fidelity"}
    assert inception_score_of(evidence) == inception_score(evidence.generated.logits)


def test_mse_is_per_pixel(evidence):
    assert mse(evidence).value == pytest.approx(np.square(evidence.test_images * 0.5).mean(dtype=np.float64), rel=1e-6)
    assert mse(evidence).n == 2500


def test_mse_of_other_shapes_is_refused(evidence):
    evidence.reconstructions = evidence.reconstructions[:1]
    with pytest.raises(DataError, match="reconstructions have shape"):
        mse(evidence)


def test_bounds_take_the_importance_samples_of_the_protocol(evidence):
    evidence.parameters = {"importance_samples": 1}
    assert elbo(evidence).value == -82.0
    evidence.parameters = {"importance_samples": 2}
    assert nll(evidence).value == 164.0


def test_each_neighbour_metric_has_its_own_reach(evidence):
    asked = {"precision": {"k": 3, "strict": False}, "recall": {"k": 1, "strict": True}}
    evidence.parameters_of = asked.get
    pair = evidence.real.features, evidence.generated.features
    assert precision(evidence) == precision_recall(*pair, k=3).precision
    assert recall(evidence) == precision_recall(*pair, k=1, strict=True).recall
