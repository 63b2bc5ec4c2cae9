"""Fixtures for the VAEs' tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from genkit.conformance import Examination, Result
from genkit.conformance.under_test import blobs
from genkit.models import Batch, GenerativeModel, Step

BLOBS = blobs((1, 8, 8), 17, 0)


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor]:
    """Training and test images of the embedded digits, shuffled once."""
    order = np.random.default_rng(0).permutation(1797)
    images = torch.from_numpy(load_digits().images[order, None]).float() / 16
    return images[:1437], images[1437:]


@pytest.fixture
def train() -> Callable[[GenerativeModel, Tensor, int, int], None]:
    """A plain training loop: model, images, number of steps, batch size."""

    def run(model: GenerativeModel, images: Tensor, steps: int, size: int) -> None:
        (phase,) = model.phases()
        generator = torch.Generator().manual_seed(0)
        for index in range(steps):
            chosen = torch.randint(len(images), (size,), generator=generator)
            step = Step(index, index * size, generator)
            loss = model.loss(phase.name, Batch(images[chosen]), step)
            assert loss.isfinite()
            phase.optimizer.zero_grad()
            loss.backward()
            phase.optimizer.step()
            model.after_step(step)
        assert all(p.grad is not None for p in model.parameters())

    return run


@pytest.fixture
def examine() -> Callable[..., Result]:
    """One conformance check of a model class with options, on small images: examine(cls, check, **options)."""

    def run(cls: type[GenerativeModel], check: str, **options: Any) -> Result:
        return Examination(cls, options=options, dataset=BLOBS).result(check)

    return run
