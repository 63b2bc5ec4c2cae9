from __future__ import annotations

import numpy as np
import pytest
import torch
from evidences import evidence
from torch import nn

from genkit.errors import Unmeasurable
from genkit.metrics import cost
from genkit.models import DataInfo, GenerativeModel


class Counting(GenerativeModel):
    """Seven parameters, a buffer that counts for nothing, and a memory of what was drawn."""

    conditional = True

    def __init__(self):
        super().__init__(None, DataInfo((1, 2, 2), num_classes=3))
        self.weight = nn.Parameter(torch.zeros(7))
        self.register_buffer("extra", torch.zeros(100))
        self.asked = []

    def sample(self, n, *, generator, condition=None):
        assert not torch.is_grad_enabled()
        assert not self.training
        self.asked.append((n, None if condition is None else len(condition)))
        return torch.rand(n, 1, 2, 2, generator=generator)


def test_parameters_are_counted_exactly():
    score = cost.parameters(evidence(model=Counting()))
    assert (score.value, score.ci_low, score.ci_high, score.stderr) == (7, 7, 7, 0)


def test_latency_draws_one_image_at_a_time_and_throughput_full_chunks():
    model = Counting()
    found = evidence(model=model, samples=type("S", (), {"chunk": 40}))
    late = cost.latency(found)
    assert set(model.asked) == {(1, 1)}
    assert late.n == cost.LATENCY_REPEATS
    assert late.value > 0
    model.asked.clear()
    assert cost.throughput(found).value > 0
    assert model.asked == [(40, 40)] * (cost.WARM_UP + cost.THROUGHPUT_REPEATS)


def test_the_interval_of_a_time_stays_above_zero(monkeypatch):
    monkeypatch.setattr(cost, "_times", lambda evidence, size, repeats: np.array([0.001] * 29 + [1.0]))
    late = cost.latency(evidence(model=Counting()))
    assert 0 < late.ci_low < late.value < late.ci_high


def test_what_was_not_trained_has_no_training_time():
    with pytest.raises(Unmeasurable):
        cost.train_seconds(evidence(training_seconds=None))
    assert cost.train_seconds(evidence(training_seconds=12.5)).value == 12.5
