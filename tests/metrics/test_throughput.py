from __future__ import annotations

import torch

from genkit.metrics import Evidence
from genkit.metrics.numerics.timing import WARM_UP
from genkit.metrics.throughput import REPEATS, throughput
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


def test_throughput_draws_full_chunks():
    model = Recording()
    assert throughput(Evidence.of_arrays(model=model, samples=type("S", (), {"chunk": 40}))).value > 0
    assert model.drawn == [(40, 40)] * (WARM_UP + REPEATS)
