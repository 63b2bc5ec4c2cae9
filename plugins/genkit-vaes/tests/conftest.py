"""Fixtures for the VAEs' tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from genkit.model import Batch, DataInfo, Step
from genkit.vae import VAE

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 30, 21)]


@pytest.fixture(params=SHAPES, ids=str)
def info(request: pytest.FixtureRequest) -> DataInfo:
    """Data of every supported kind of shape."""
    return DataInfo(request.param)


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor]:
    """Training and test images of the embedded digits, shuffled once."""
    order = np.random.default_rng(0).permutation(1797)
    images = torch.from_numpy(load_digits().images[order, None]).float() / 16
    return images[:1437], images[1437:]


@pytest.fixture
def train() -> Callable[[VAE, Tensor, int, int], None]:
    """A plain training loop: model, images, number of steps, batch size."""

    def run(model: VAE, images: Tensor, steps: int, size: int) -> None:
        (phase,) = model.phases()
        generator = torch.Generator().manual_seed(0)
        for index in range(steps):
            chosen = torch.randint(len(images), (size,), generator=generator)
            loss = model.loss(phase.name, Batch(images[chosen]), Step(index, index * size, generator))
            assert loss.isfinite()
            phase.optimizer.zero_grad()
            loss.backward()
            phase.optimizer.step()
        assert all(p.grad is not None for p in model.parameters())

    return run
