from __future__ import annotations

from genkit.metrics import Evidence
from genkit.metrics.numerics.timing import WARM_UP
from genkit.metrics.throughput import REPEATS, throughput


def test_throughput_draws_full_chunks(model):
    assert throughput(Evidence.of_arrays(model=model, samples=type("S", (), {"chunk": 40}))).value > 0
    assert model.drawn == [(40, 40)] * (WARM_UP + REPEATS)
