"""Fixtures for the GANs' tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from genkit.gan import GAN
from genkit.model import Batch, DataInfo, Step

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 30, 21)]


@pytest.fixture(params=SHAPES, ids=str)
def info(request: pytest.FixtureRequest) -> DataInfo:
    """Data of every supported kind of shape."""
    return DataInfo(request.param)


@pytest.fixture
def train_step() -> Callable[[GAN], None]:
    """A function that runs one step of every phase and checks that it moves its own network alone."""

    def run(model: GAN) -> None:
        batch = Batch(torch.rand(4, *model.data.shape))
        for phase in model.phases():
            before = {name: p.detach().clone() for name, p in model.named_parameters()}
            phase.optimizer.zero_grad()
            loss = model.loss(phase.name, batch, Step(0, 0, torch.Generator().manual_seed(0)))
            loss.backward()
            phase.optimizer.step()
            assert loss.isfinite()
            moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
            assert moved == {name for name in before if name.startswith(f"{phase.name}.")}

    return run
