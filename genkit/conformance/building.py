"""Checks that a model can be built for the usual shapes and that its phases are valid."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genkit.conformance.report import CheckFailed, CheckSkipped, require
from genkit.conformance.under_test import BATCH, ModelUnderTest
from genkit.data.dataset import ImageDataset
from genkit.errors import UsageError
from genkit.models.base import GenerativeModel, Phase, Step
from genkit.training.stages import one_for_each_stage


def builder(shape: str) -> Callable[[ModelUnderTest], None]:
    """Return the check that a model can be built for a shape, with labels and without."""

    def builds(tested: ModelUnderTest) -> None:
        if tested.dataset is not None:
            if shape != "8x8-grey":
                raise CheckSkipped("a data set was given")
            _build(tested, tested.dataset)
            return
        for name in (shape, f"{shape}-unlabelled"):
            try:
                _build(tested, tested.sets[name])
            except UsageError as error:
                raise CheckSkipped(f"refuses {name}: {error}") from error

    return builds


def _build(tested: ModelUnderTest, data: ImageDataset) -> None:
    model = tested.build(data.info())
    require(isinstance(model, nn.Module), f"it builds {type(model).__name__}, not a module")
    model.phases()


def phases_valid(tested: ModelUnderTest) -> None:
    """``ema`` names submodules, and phases have trainable modules, optimisers and existing stages."""
    model = tested.build(tested.data.info())
    for name in model.ema:
        try:
            model.get_submodule(name)
        except AttributeError as error:
            raise CheckFailed(f"ema names {name!r}, which is not a submodule") from error
    phases = model.phases()
    if not phases and not model.ema:
        raise CheckSkipped("no phases")
    names = [phase.name for phase in phases]
    require(len(set(names)) == len(names), f"two phases have the same name: {', '.join(names)}")
    for phase in phases:
        _require_valid(model, phase)
        _require_schedule(phase)
    for name in ("stage_shares", "stage_batches"):
        one_for_each_stage(model, name)


def _require_valid(model: GenerativeModel, phase: Phase) -> None:
    require(isinstance(phase.optimizer, Optimizer), f"phase {phase.name!r} has {phase.optimizer!r}, not an optimiser")
    own: list[Tensor] = [p for p in phase.module.parameters() if p.requires_grad]
    require(bool(own), f"the module of phase {phase.name!r} has no parameter to train")
    known = {id(p) for p in model.parameters()}
    require(
        all(id(p) in known for p in own),
        f"the module of phase {phase.name!r} is not part of the model, so checkpoints would not hold it",
    )
    require(
        phase.repeats >= 1 and phase.every >= 1,
        f"phase {phase.name!r} never runs: repeats and every must be at least 1",
    )
    require(
        0 <= phase.stage < model.stages,
        f"phase {phase.name!r} is in stage {phase.stage}, but the model has {model.stages} stages (stages = ...)",
    )


def _require_schedule(phase: Phase) -> None:
    """Raise CheckFailed unless a schedule takes a Step and returns finite factors from 0 all through its stage."""
    for share in (0.0, 0.5, 1.0) if phase.schedule is not None else ():
        images = int(share * 10_000)
        step = Step(images // BATCH, images, torch.Generator(), phase.stage, images, share, share)
        what = f"the schedule of phase {phase.name!r}"
        try:
            factor = float(phase.schedule(step))  # type: ignore[misc]
        except Exception as error:
            raise CheckFailed(
                f"{what} fails ({type(error).__name__}: {error}): it takes a Step, whose images_seen, progress and "
                "stage_progress say how far the training is, and returns a number"
            ) from error
        require(0 <= factor < math.inf, f"{what} returns {factor}, not a finite factor of at least 0")
