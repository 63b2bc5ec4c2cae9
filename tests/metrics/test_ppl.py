from __future__ import annotations

import pytest
import torch

from genkit.metrics import Evidence
from genkit.metrics.ppl import ppl
from genkit.models import DataInfo


@pytest.mark.slow
def test_path_length_falls_to_zero_for_a_generator_that_does_not_move(backbones):
    class Model:
        device = torch.device("cpu")
        data = DataInfo((1, 16, 16), 256, 0, (), 10)

        def __init__(self, scale):
            self.scale = scale

        def eval(self):
            return self

        def draw_latent(self, n, *, generator):
            return torch.randn(n, 8, generator=generator)

        def decode(self, latent):
            noise = torch.Generator().manual_seed(1)
            still, directions = torch.rand(1, 256, generator=noise), torch.randn(8, 256, generator=noise)
            return (still + self.scale * latent @ directions).clamp(0, 1).view(-1, 1, 16, 16)

    def measured(scale):
        samples = type("S", (), {"seed": 0})
        parameters = {"pairs": 16, "epsilon": 1e-2}
        return ppl(Evidence.of_arrays(model=Model(scale), samples=samples, parameters=parameters)).value

    assert measured(0.0) == 0
    assert 0 < measured(0.01) < measured(0.05)
    assert measured(0.01) == measured(0.01)
