from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from genkit.errors import DataError
from genkit.metrics import frechet_distance, inception_score, kernel_distance
from genkit.metrics.elbo import elbo
from genkit.metrics.evidence import Features
from genkit.metrics.fid import fid
from genkit.metrics.inception_score import inception_score_of
from genkit.metrics.kid import kid
from genkit.metrics.mse import mse
from genkit.metrics.nll import nll


@dataclass
class Fixed:
    real: Features
    generated: Features
    test_images: np.ndarray
    reconstructions: np.ndarray
    parameters: dict

    def log_likelihood(self, importance_samples):
        return np.array([-80.0, -82.0, -84.0]) * importance_samples


@pytest.fixture
def evidence(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.random((2500, 1, 4, 4), dtype=np.float32)
    np.save(tmp_path / "images.npy", images)
    real, generated = (Features(rng.random((n, 6)), rng.random((n, 3))) for n in (60, 80))
    return Fixed(real, generated, np.load(tmp_path / "images.npy", mmap_mode="r"), images * 0.5, {})


def test_fid_and_kid_compare_the_features(evidence):
    pair = evidence.real.features, evidence.generated.features
    assert fid(evidence) == frechet_distance(*pair)
    assert kid(evidence) == kernel_distance(*pair)


def test_inception_score_is_of_the_generated(evidence):
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
