"""Statistics of batch normalisation in several processes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from genkit.training import distributed
from genkit.training.batch_norm import average_statistics, kind_of_statistics, statistics


@pytest.fixture
def two(monkeypatch):
    """This process believes that it is one of two, the other having statistics of zero."""
    monkeypatch.setattr(distributed, "world", lambda: 2)
    monkeypatch.setattr(distributed, "_add_up", lambda tensor: None)


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, affine=False), nn.GroupNorm(1, 3))
    model(torch.randn(4, 2, 3, 3))
    return model


def test_means_and_variances_are_averaged_and_nothing_else(two):
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    average_statistics(statistics(model))
    for name, tensor in model.state_dict().items():
        moves = "running" in name
        assert torch.equal(tensor, before[name] / 2 if moves else before[name]), name


def test_what_a_finished_stage_has_learned_stays_as_it_is(two):
    model = network()
    model[0].eval()
    kept = model[0].running_var.clone()
    average_statistics(statistics(model, moving=True))
    assert torch.equal(model[0].running_var, kept)
    assert len(statistics(model)) == 4 and len(statistics(model, moving=True)) == 2


def test_only_several_processes_and_models_with_such_statistics_say_so(two, monkeypatch):
    assert kind_of_statistics(network()) == "averaged"
    assert kind_of_statistics(nn.Linear(2, 2)) == ""
    monkeypatch.setattr(distributed, "world", lambda: 1)
    assert kind_of_statistics(network()) == ""
