"""The model under test: its class and options, synthetic data, and a few training steps."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genkit.conformance.report import CheckFailed
from genkit.data.dataset import DataInfo, ImageDataset, Split
from genkit.data.stream import Batch, BatchStream
from genkit.models.base import GenerativeModel, Phase, Step
from genkit.options import build
from genkit.registry.discovery import Offer
from genkit.registry.specs import ModelSpec
from genkit.seeds import derive
from genkit.training.phases import PhaseRunner

TRAIN, TEST, BATCH = 192, 64, 16
LEARNING = 300
"""Training steps of each stage after which small models have learnt where a class puts its spot."""
CPU = torch.device("cpu")
SHAPES: dict[str, tuple[tuple[int, int, int], int]] = {
    "8x8-grey": ((1, 8, 8), 17),
    "28x28-grey": ((1, 28, 28), 256),
    "32x32-colour": ((3, 32, 32), 256),
}
"""Shape (C, H, W) and levels of the data that every model should work for."""


def blobs(shape: tuple[int, int, int], levels: int, classes: int) -> ImageDataset:
    """Return synthetic images of one soft bright spot each, at a position that depends on the label.

    A caption names the label.
    """
    train, test = (_blobs(shape, levels, classes, name, count) for name, count in (("train", TRAIN), ("test", TEST)))
    return ImageDataset("blobs", "synthetic", train, test, tuple(map(str, range(classes))))


def _blobs(shape: tuple[int, int, int], levels: int, classes: int, name: str, count: int) -> Split:
    channels, height, width = shape
    rng = np.random.default_rng(derive(0, "blobs", name))
    labels = np.arange(count) % max(1, classes)
    angle = 2 * np.pi * labels / max(1, classes)
    centre = 0.5 + 0.25 * np.stack([np.sin(angle), np.cos(angle)], 1) + rng.normal(0, 0.05, (count, 2))
    y, x = np.mgrid[0:height, 0:width]
    rows = (y + 0.5)[None] / height - centre[:, 0, None, None]
    columns = (x + 0.5)[None] / width - centre[:, 1, None, None]
    spots = np.exp(-(rows**2 + columns**2) / (2 * 0.15**2))[:, None] * rng.uniform(0.6, 1, (count, channels, 1, 1))
    pixels = np.rint(spots * (levels - 1)).astype(np.uint8)
    captions = [(f"a spot at {label}",) for label in labels.tolist()]
    return Split(name, pixels, labels.astype(np.int64) if classes else None, levels, captions=captions)


@dataclass(frozen=True)
class ModelUnderTest:
    """A model class, its options, and the plugin that offers it.

    ``offer`` is None for a class given directly; ``dataset`` is None for synthetic images of the usual shapes.
    """

    name: str
    cls: type[GenerativeModel]
    offer: Offer[ModelSpec] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: ImageDataset | None = None

    def build(self, info: DataInfo, seed: int = 0) -> GenerativeModel:
        """Build the model with its weights drawn from a seed, as its preset for a CPU trains it on data of its own."""
        torch.manual_seed(derive(seed, "init"))
        preset = self.cls.presets.get("default")
        options = {**(preset.options if preset else {}), **self.options}
        return self.cls(build(self.cls.Options, options, self.name), info)

    @functools.cached_property
    def sets(self) -> dict[str, ImageDataset]:
        """The data sets to try, by name; the first has labels if any has."""
        if self.dataset is not None:
            return {self.dataset.slug: self.dataset}
        return {
            f"{name}{'' if classes else '-unlabelled'}": blobs(shape, levels, classes)
            for name, (shape, levels) in SHAPES.items()
            for classes in (10, 0)
        }

    @functools.cached_property
    def buildable(self) -> dict[str, ImageDataset]:
        """The data sets that the model can be built for; other checks test whether it should take more."""
        buildable: dict[str, ImageDataset] = {}
        for name, data in self.sets.items():
            with contextlib.suppress(Exception):
                self.build(data.info())
                buildable[name] = data
        if not buildable:
            raise CheckFailed("it can't be built for any data set")
        return buildable

    @property
    def data(self) -> ImageDataset:
        """The data set of all checks that need one."""
        return next(iter(self.buildable.values()))

    @property
    def images(self) -> Tensor:
        """Up to 64 test images."""
        return self.data.test.images(slice(0, TEST))

    def prepared(self, seed: int = 0) -> GenerativeModel:
        """Return a model after a few training steps, in eval mode."""
        return train(self.build(self.data.info(), seed), self.data)

    @functools.cached_property
    def trained(self) -> GenerativeModel:
        """A model after enough training to show what it has learnt, in eval mode; checks change copies of it."""
        return train(self.build(self.data.info()), self.data, LEARNING)

    def sample(self, model: GenerativeModel, n: int, seed: int, *, labels: bool = True) -> Tensor:
        """Draw images as the evaluation does: without gradients, and with labels if the data has them.

        A model that follows prompts draws images of none.
        """
        classes = model.data.num_classes if labels and not callable(getattr(model, "understand", None)) else 0
        condition = torch.arange(n) % classes if classes else None
        with torch.no_grad():
            return model.sample(n, generator=torch.Generator().manual_seed(seed), condition=condition)


def draw(model: GenerativeModel, labels: Tensor, seed: int) -> Tensor:
    """Draw an image of each label."""
    with torch.no_grad():
        return model.sample(len(labels), generator=torch.Generator().manual_seed(seed), condition=labels)


def shows_nothing(images: Tensor) -> bool:
    """Whether all images are equal and clipped to black and white: of what barely trained models draw, all can be."""
    return bool(((images == 0) | (images == 1)).all()) and bool((images == images[:1]).all())


def train(model: GenerativeModel, data: ImageDataset, steps: int = 3) -> GenerativeModel:
    """Train a model for a few steps of each stage, and return it in eval mode."""
    for runner, phase, batch, step in training_updates(model, data, steps):
        runner.run(phase, batch, step)
    return model.eval()


def training_updates(
    model: GenerativeModel, data: ImageDataset, steps: int = 3
) -> Iterator[tuple[PhaseRunner, Phase, Batch, Step]]:
    """Yield the updates of a short training in the training loop's order; the caller runs each."""
    phases = model.phases()
    runner = PhaseRunner(model, phases, 0, CPU)
    stream = BatchStream(data.train, BATCH, 0, CPU)
    index = 0
    for stage in range(model.stages):
        began = stream.drawn

        at = functools.partial(_located, runner, stream, model.stages, stage, began, steps)
        runner.train_mode(stage)
        model.prepare_stage(stage, data.train, at(index, 0, 0, "prepare"))
        model.enter_stage(stage, data.train, at(0, 0, 0, "enter"))
        staged = [phase for phase in phases if phase.stage == stage]
        for turn in range(steps if staged else 0):
            for phase in staged:
                for repeat in range(phase.repeats if index % phase.every == 0 else 0):
                    batch = stream.next()
                    yield runner, phase, batch, at(index, turn, repeat, phase.name)
            model.after_step(at(index, turn, 0, "after"))
            index += 1


def _located(
    runner: PhaseRunner,
    stream: BatchStream,
    stages: int,
    stage: int,
    began: int,
    steps: int,
    index: int,
    turn: int,
    repeat: int,
    phase: str,
) -> Step:
    """Return the step of one update, which knows how far a training of ``steps`` for each of ``stages`` is."""
    step = runner.step(index, repeat, stream.drawn, stage, phase)
    step.stage_images, step.stage_progress = stream.drawn - began, turn / steps
    step.progress = (stage + step.stage_progress) / stages
    return step


def copied_state(model: GenerativeModel) -> dict[str, Tensor]:
    """Return copies of the state dict's tensors."""
    return {name: t.detach().clone() for name, t in model.state_dict().items() if isinstance(t, Tensor)}


def unequal_names(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Return names whose tensors differ in any bit, or are in only one of the two."""
    return [
        name
        for name in [*one, *(name for name in other if name not in one)]
        if name not in one or name not in other or not identical(one[name], other[name])
    ]


def identical(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal in every bit; NaN equals NaN."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())


def first_of(names: list[str]) -> str:
    """Return the first name and the number of others: ``a and 2 more``."""
    return ", ".join(names[:1]) + (f" and {len(names) - 1} more" if len(names) > 1 else "")
