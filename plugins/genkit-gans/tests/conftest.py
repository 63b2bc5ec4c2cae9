"""Fixtures for the GANs' tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from genkit.models import GAN, Batch, DataInfo, Step

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 30, 21)]
CLASSES = {"num_classes": 3, "class_frequencies": (0.2, 0.3, 0.5)}


@pytest.fixture(params=SHAPES, ids=str)
def info(request: pytest.FixtureRequest) -> DataInfo:
    """Data of each supported shape."""
    return DataInfo(request.param, **CLASSES)


@pytest.fixture
def digits_info() -> DataInfo:
    """Data shaped like the digits, with three classes."""
    return DataInfo((1, 8, 8), levels=17, **CLASSES)


@pytest.fixture
def batch() -> Callable[[DataInfo, int], Batch]:
    """A function that makes a labelled batch."""

    def make(info: DataInfo, n: int = 4) -> Batch:
        chance = torch.Generator().manual_seed(1)
        labels = torch.arange(n) % info.num_classes if info.num_classes else None
        return Batch(torch.rand(n, *info.shape, generator=chance), labels)

    return make


@pytest.fixture
def step() -> Callable[..., Step]:
    """A function that makes a step with a generator of its own."""

    def make(seed: int = 0, index: int = 0, images_seen: int = 0) -> Step:
        return Step(index, images_seen, torch.Generator().manual_seed(seed))

    return make


@pytest.fixture
def train_step(batch: Callable[[DataInfo], Batch], step: Callable[[], Step]) -> Callable[[GAN], None]:
    """A function that runs one step of every phase and checks that it changes only its own network."""

    def run(model: GAN) -> None:
        for phase in model.phases():
            before = {name: p.detach().clone() for name, p in model.named_parameters()}
            model.zero_grad()
            loss = model.loss(phase.name, batch(model.data), step())
            loss.backward()
            phase.optimizer.step()
            assert loss.isfinite()
            moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
            (own,) = (name for name in ("generator", "discriminator") if model.get_submodule(name) is phase.module)
            assert moved
            assert all(name.startswith(f"{own}.") for name in moved)

    return run


@pytest.fixture
def loss_on(batch: Callable[[DataInfo], Batch], step: Callable[[], Step]) -> Callable[..., float]:
    """A function that returns a phase's loss with the discriminator's logits replaced by given ones, in order."""

    def run(model: GAN, phase: str, *logits: list[float]) -> float:
        given = iter(logits)
        model.discriminate = lambda images, labels=None: torch.tensor(next(given))  # type: ignore[method-assign]
        try:
            return model.loss(phase, batch(model.data, len(logits[0])), step()).item()
        finally:
            del model.discriminate

    return run
