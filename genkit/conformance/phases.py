"""Checks that each phase has a finite scalar loss and updates its own module only.

Gradients may flow *through* another network: a generator's come through the discriminator, and the training loop
freezes all parameters that are not the phase's. But a phase must not change another module's parameters: through two
optimisers over the same parameters, an optimiser over another module's, or a loss that steps, calls ``backward`` or
unfreezes parameters itself. Buffers may change: the generator's phase moves the discriminator's batch statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from genkit.conformance.report import CheckFailed, CheckSkipped, require
from genkit.conformance.under_test import ModelUnderTest, first_of, training_updates, unequal_names
from genkit.data.stream import Batch
from genkit.models.base import GenerativeModel, Phase, Step


def loss_finite(tested: ModelUnderTest) -> None:
    """The loss of every phase is a finite scalar, for all shapes that the model takes, with labels and without."""
    for name, data in tested.buildable.items():
        model = tested.build(data.info())
        if not model.phases():
            raise CheckSkipped("no phases")
        for runner, phase, batch, step in training_updates(model, data, steps=2):
            model.loss = _checked(model.loss, name)  # type: ignore[method-assign, assignment]
            runner.run(phase, batch, step)
            del model.loss


def _checked(loss: Callable[[str, Batch, Step], Tensor], data: str) -> Callable[[str, Batch, Step], Tensor]:
    def checked(phase: str, batch: Batch, step: Step) -> Tensor:
        value = loss(phase, batch, step)
        where = f"the loss of phase {phase!r} on {data}"
        require(isinstance(value, Tensor), f"{where} is {type(value).__name__}, not a tensor")
        require(value.ndim == 0, f"{where} has shape {list(value.shape)}, not a scalar: reduce it")
        require(bool(torch.isfinite(value)), f"{where} is {value.item()}")
        require(value.requires_grad, f"{where} does not depend on any parameter of its module")
        return value

    return checked


def modules_disjoint(tested: ModelUnderTest) -> None:
    """No parameter is in two optimisers, and no optimiser has parameters outside the modules of its phases."""
    model = tested.build(tested.data.info())
    phases = _phases(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    holder: dict[int, Phase] = {}
    for phase in phases:
        allowed = {id(p) for q in phases if q.optimizer is phase.optimizer for p in q.module.parameters()}
        held = [p for group in phase.optimizer.param_groups for p in group["params"]]
        foreign = [names.get(id(p), "a tensor outside the model") for p in held if id(p) not in allowed]
        require(
            not foreign,
            f"the optimiser of phase {phase.name!r} holds {first_of(foreign)}, which is not in the phase's module",
        )
        for parameter in held:
            other = holder.setdefault(id(parameter), phase)
            require(
                other.optimizer is phase.optimizer,
                f"phases {other.name!r} and {phase.name!r} both update {names[id(parameter)]}, with different "
                "optimisers: give each phase its own module, or let them share one optimiser",
            )


def updates_stay_inside(tested: ModelUnderTest) -> None:
    """An update changes only parameters of its phase's module, and has a gradient there; the loss changes nothing."""
    model = tested.build(tested.data.info())
    _phases(model)
    named = dict(model.named_parameters())
    trainable = {name for name, parameter in named.items() if parameter.requires_grad}
    for runner, phase, batch, step in training_updates(model, tested.data):
        ids = {id(parameter) for parameter in phase.module.parameters()}
        own = {name for name in trainable if id(named[name]) in ids}
        foreign = [name for name in named if name not in own]
        before = {name: named[name].detach().clone() for name in named}
        for parameter in named.values():
            parameter.grad = None
        model.loss = _watched(model, phase.name, foreign)  # type: ignore[method-assign, assignment]
        runner.run(phase, batch, step)
        del model.loss
        moved = unequal_names(_pick(before, foreign), _pick(named, foreign))
        require(not moved, f"an update of phase {phase.name!r} changes {first_of(moved)}, which is not in its module")
        reached = [name for name in own if named[name].grad is not None and bool(named[name].grad.any())]  # type: ignore[union-attr]
        require(bool(reached), f"no gradient of phase {phase.name!r} reaches its own module")


def _watched(model: GenerativeModel, name: str, foreign: Iterable[str]) -> Callable[[str, Batch, Step], Tensor]:
    """Wrap a model's loss to find side effects."""
    loss = model.loss
    named = dict(model.named_parameters())

    def watched(phase: str, batch: Batch, step: Step) -> Tensor:
        before = {key: named[key].detach().clone() for key in foreign}
        flags = {key: parameter.requires_grad for key, parameter in named.items()}
        value = loss(phase, batch, step)
        problem = f"the loss of phase {name!r}"
        stepped = unequal_names(before, _pick(named, foreign))
        if stepped:
            raise CheckFailed(
                f"{problem} changes {first_of(stepped)} itself: a loss only computes, genkit steps the optimisers"
            )
        graded = [key for key, parameter in named.items() if parameter.grad is not None]
        if graded:
            raise CheckFailed(
                f"{problem} calls backward itself (it leaves a gradient at {first_of(graded)}): genkit calls backward"
            )
        switched = [key for key, parameter in named.items() if parameter.requires_grad != flags[key]]
        if switched:
            raise CheckFailed(
                f"{problem} switches requires_grad of {first_of(switched)}: genkit freezes what a phase may not update"
            )
        return value

    return watched


def _pick(tensors: dict[str, torch.nn.Parameter] | dict[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    return {name: tensors[name].detach() for name in names}


def _phases(model: GenerativeModel) -> list[Phase]:
    phases = model.phases()
    if not phases:
        raise CheckSkipped("no phases")
    return phases
