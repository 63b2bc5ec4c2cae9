"""Checks that moving averages are of modules that train, move with them, and are what samples are drawn with."""

from __future__ import annotations

import copy

import torch

from genkit.conformance.report import CheckSkipped, require
from genkit.conformance.under_test import (
    BATCH,
    ModelUnderTest,
    first_of,
    identical,
    shows_nothing,
    train,
    training_updates,
    unequal_names,
)
from genkit.training.ema import Ema


def averages_move(tested: ModelUnderTest) -> None:
    """Every module that ``ema`` names is trained, its average moves with it, and samples depend on one at least."""
    model = tested.build(tested.data.info())
    if not model.ema:
        raise CheckSkipped("no moving averages: ema names no module")
    average = Ema(model, model.ema, model.ema_half_life)
    before = {name: tensor.clone() for name, tensor in average.average.items()}
    updates = 0
    for runner, phase, batch, step in training_updates(model, tested.data):
        runner.run(phase, batch, step)
        updates += 1
        average.update(BATCH, updates * BATCH)
    if not updates:
        raise CheckSkipped("no phases")
    moved = unequal_names(before, average.average)
    for name in model.ema:
        require(
            any(key.startswith(f"{name}.") for key in moved),
            f"ema names {name!r}, whose average never moves: no phase trains it",
        )
    least = min((preset.batch for preset in tested.cls.presets.values()), default=1)
    require(
        model.ema_half_life >= least,
        f"ema_half_life is {model.ema_half_life} images, less than a batch of {least}: the average is the last weights",
    )
    _require_used(tested)


def _require_used(tested: ModelUnderTest) -> None:
    """Raise CheckFailed if other weights of all averaged modules draw the same samples."""
    model = tested.prepared()
    before = tested.sample(model, 8, 0)
    if shows_nothing(before):
        model = train(tested.build(tested.data.info()), tested.data, 50)
        before = tested.sample(model, 8, 0)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for name in model.ema:
            for parameter in other.get_submodule(name).parameters():
                parameter.add_(torch.randn_like(parameter))
    if identical(before, tested.sample(other, 8, 0)):
        if shows_nothing(before):
            raise CheckSkipped("unverified: all its samples are black and white alike")
        require(False, f"ema names {first_of(list(model.ema))}, which no sample depends on: name what sample uses")
