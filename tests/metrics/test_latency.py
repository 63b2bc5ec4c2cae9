from __future__ import annotations

import numpy as np
import torch

from genkit.metrics import Evidence
from genkit.metrics import latency as module
from genkit.metrics.latency import REPEATS, latency
from genkit.models import DataInfo, GenerativeModel


class Recording(GenerativeModel):
    """Records what was drawn."""

    conditional = True

    def __init__(self):
        super().__init__(None, DataInfo((1, 2, 2), num_classes=3))
        self.drawn = []

    def sample(self, n, *, generator, condition=None):
        assert not torch.is_grad_enabled()
        assert not self.training
        self.drawn.append((n, None if condition is None else len(condition)))
        return torch.rand(n, 1, 2, 2, generator=generator)


def test_latency_draws_one_image_at_a_time():
    model = Recording()
    score = latency(Evidence.of_arrays(model=model))
    assert set(model.drawn) == {(1, 1)}
    assert score.n == REPEATS
    assert score.value > 0


def test_the_interval_of_a_time_stays_above_zero(monkeypatch):
    monkeypatch.setattr(module, "seconds_per_draw", lambda evidence, size, repeats: np.array([0.001] * 29 + [1.0]))
    score = latency(Evidence.of_arrays())
    assert 0 < score.ci_low < score.value < score.ci_high
