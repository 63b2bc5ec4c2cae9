from __future__ import annotations

import numpy as np

from genkit.metrics import Evidence
from genkit.metrics import latency as module
from genkit.metrics.latency import REPEATS, latency


def test_latency_draws_one_image_at_a_time(model):
    score = latency(Evidence.of_arrays(model=model))
    assert set(model.drawn) == {(1, 1)}
    assert score.n == REPEATS
    assert score.value > 0


def test_the_interval_of_a_time_stays_above_zero(monkeypatch):
    monkeypatch.setattr(module, "seconds_per_draw", lambda evidence, size, repeats: np.array([0.001] * 29 + [1.0]))
    score = latency(Evidence.of_arrays())
    assert 0 < score.ci_low < score.value < score.ci_high
