from __future__ import annotations

import torch
from torch import nn

from genkit.metrics import Evidence
from genkit.metrics.parameters import parameters


def test_parameters_are_counted_and_buffers_are_not():
    model = nn.BatchNorm1d(7)
    model.extra = nn.Parameter(torch.zeros(2, 3))
    score = parameters(Evidence.of_arrays(model=model))
    assert (score.value, score.ci_low, score.ci_high, score.stderr) == (20, 20, 20, 0)
