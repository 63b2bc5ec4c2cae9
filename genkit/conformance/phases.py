"""What the phases of a step may do: a finite scalar loss, and no trace outside the phase's own module.

Gradients that flow *through* another network are no leak (a generator's come through the discriminator, and the
harness freezes what is not the phase's). A leak is a parameter that a phase moves without owning it: two optimisers
over the same parameters, an optimiser over foreign ones, or a loss that steps, calls ``backward`` or thaws by itself.
Buffers are free: a discriminator's batch statistics move in the generator's turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from genkit.conformance.report import Broken, Skip, require
from genkit.conformance.subject import Subject, differing, some, walk
from genkit.data.stream import Batch
from genkit.models.base import GenerativeModel, Phase, Step


def loss_finite(subject: Subject) -> None:
    """Every phase's loss is a finite scalar, for every shape that the model takes, with labels and without."""
    for name, data in subject.buildable.items():
        model = subject.build(data.info())
        if not model.phases():
            raise Skip("no phases")
        for runner, phase, batch, step in walk(model, data, steps=2):
            model.loss = _checked(model.loss, name)  # type: ignore[method-assign, assignment]
            runner.run(phase, batch, step)
            del model.loss


def _checked(loss: Callable[[str, Batch, Step], Tensor], data: str) -> Callable[[str, Batch, Step], Tensor]:
    def checked(phase: str, batch: Batch, step: Step) -> Tensor:
        value = loss(phase, batch, step)
        where = f"the loss of phase {phase!r} on {data}"
        require(isinstance(value, Tensor), f"{where} is {type(value).__name__}, not a tensor")
        require(value.ndim == 0, f"{where} has shape {list(value.shape)}, not a scalar's: reduce it")
        require(bool(torch.isfinite(value)), f"{where} is {value.item()}")
        require(value.requires_grad, f"{where} does not depend on any parameter of its module")
        return value

    return checked


def modules_apart(subject: Subject) -> None:
    """No parameter belongs to two optimisers, and no optimiser holds parameters outside its phases' modules."""
    model = subject.build(subject.data.info())
    phases = _phases(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    holder: dict[int, Phase] = {}
    for phase in phases:
        allowed = {id(p) for q in phases if q.optimizer is phase.optimizer for p in q.module.parameters()}
        held = [p for group in phase.optimizer.param_groups for p in group["params"]]
        foreign = [names.get(id(p), "a tensor outside the model") for p in held if id(p) not in allowed]
        require(
            not foreign,
            f"the optimiser of phase {phase.name!r} holds {some(foreign)}, which is not in the phase's module",
        )
        for parameter in held:
            other = holder.setdefault(id(parameter), phase)
            require(
                other.optimizer is phase.optimizer,
                f"phases {other.name!r} and {phase.name!r} both move {names[id(parameter)]}, each with an optimiser of "
                "its own: give each phase its own module, or let them share one optimiser",
            )


def turns_stay_inside(subject: Subject) -> None:
    """A turn moves parameters of its own module only and reaches some of them; the loss only computes."""
    model = subject.build(subject.data.info())
    _phases(model)
    named = dict(model.named_parameters())
    trainable = {name for name, parameter in named.items() if parameter.requires_grad}
    for runner, phase, batch, step in walk(model, subject.data):
        ids = {id(parameter) for parameter in phase.module.parameters()}
        own = {name for name in trainable if id(named[name]) in ids}
        foreign = [name for name in named if name not in own]
        before = {name: named[name].detach().clone() for name in named}
        for parameter in named.values():
            parameter.grad = None
        model.loss = _watched(model, phase.name, foreign)  # type: ignore[method-assign, assignment]
        runner.run(phase, batch, step)
        del model.loss
        moved = differing(_pick(before, foreign), _pick(named, foreign))
        require(not moved, f"a turn of phase {phase.name!r} moves {some(moved)}, which is not in its module")
        reached = [name for name in own if named[name].grad is not None and bool(named[name].grad.any())]  # type: ignore[union-attr]
        require(bool(reached), f"no gradient of phase {phase.name!r} reaches its own module")


def _watched(model: GenerativeModel, name: str, foreign: Iterable[str]) -> Callable[[str, Batch, Step], Tensor]:
    """Wrap a model's loss so that whatever it does besides computing is found."""
    loss = model.loss
    named = dict(model.named_parameters())

    def watched(phase: str, batch: Batch, step: Step) -> Tensor:
        before = {key: named[key].detach().clone() for key in foreign}
        flags = {key: parameter.requires_grad for key, parameter in named.items()}
        value = loss(phase, batch, step)
        problem = f"the loss of phase {name!r}"
        stepped = differing(before, _pick(named, foreign))
        if stepped:
            raise Broken(f"{problem} moves {some(stepped)} itself: a loss computes, the harness steps")
        graded = [key for key, parameter in named.items() if parameter.grad is not None]
        if graded:
            raise Broken(f"{problem} calls backward itself (it leaves a gradient at {some(graded)})")
        switched = [key for key, parameter in named.items() if parameter.requires_grad != flags[key]]
        if switched:
            raise Broken(
                f"{problem} switches the gradients of {some(switched)}: the harness says what a phase may move"
            )
        return value

    return watched


def _pick(tensors: dict[str, torch.nn.Parameter] | dict[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    return {name: tensors[name].detach() for name in names}


def _phases(model: GenerativeModel) -> list[Phase]:
    phases = model.phases()
    if not phases:
        raise Skip("no phases")
    return phases
