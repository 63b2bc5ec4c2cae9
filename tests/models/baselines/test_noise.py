"""Uniform noise."""

from __future__ import annotations

import torch

from genkit.models import DataInfo, NoOptions, capabilities
from genkit.models.baselines.noise import Noise


def test_noise_is_uniform_and_repeatable() -> None:
    model = Noise(NoOptions(), DataInfo((3, 8, 8)))
    drawn = [model.sample(200, generator=torch.Generator().manual_seed(0)) for _ in range(2)]
    assert torch.equal(*drawn)
    assert drawn[0].shape == (200, 3, 8, 8)
    assert abs(drawn[0].mean().item() - 0.5) < 0.01
    assert abs(drawn[0].var().item() - 1 / 12) < 0.002
    assert drawn[0].min() >= 0 and drawn[0].max() <= 1


def test_noise_has_no_parameters_and_no_further_capabilities() -> None:
    model = Noise(NoOptions(), DataInfo((1, 8, 8)))
    assert model.state_dict() == {}
    assert model.phases() == []
    assert capabilities(model) == ()
