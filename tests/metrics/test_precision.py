"""Precision, recall, density and coverage of one evaluation: the metrics precision, recall, density and coverage.

Tests precision, recall, density and coverage of genkit.metrics.
"""

from __future__ import annotations

import numpy as np
import pytest

from genkit.metrics import Evidence, density_coverage, precision_recall
from genkit.metrics.coverage import coverage
from genkit.metrics.density import density
from genkit.metrics.numerics import prdc
from genkit.metrics.precision import precision
from genkit.metrics.recall import recall


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return rng.random((60, 6)), rng.random((80, 6))


def made(pair, parameters):
    real, generated = pair
    return Evidence.of_arrays(real_features=real, generated_features=generated, metrics=parameters)


def test_the_four_share_one_pass(pair, monkeypatch):
    manifold, balls = {"k": 3, "strict": False}, {"k": 5, "strict": True}
    parameters = {"precision": manifold, "recall": manifold, "density": balls, "coverage": balls}
    found, expected = made(pair, parameters), [*precision_recall(*pair), *density_coverage(*pair)]
    assert [metric(found) for metric in (precision, recall, density, coverage)] == expected
    monkeypatch.setattr(prdc, "manifold_scores", None)
    assert precision(found) == expected[0]


def test_each_has_its_own_neighbourhood(pair):
    found = made(pair, {"precision": {"k": 3, "strict": False}, "recall": {"k": 1, "strict": True}})
    assert precision(found) == precision_recall(*pair, k=3).precision
    assert recall(found) == precision_recall(*pair, k=1, strict=True).recall
