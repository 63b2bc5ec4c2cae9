"""Checks that a finished stage stays as it is: no parameter and no buffer of its modules moves in a later one."""

from __future__ import annotations

from torch import Tensor

from genkit.conformance.report import CheckSkipped, require
from genkit.conformance.under_test import ModelUnderTest, first_of, training_updates, unequal_names
from genkit.models.base import GenerativeModel, Phase
from genkit.training.phases import PhaseRunner


def finished_stay(tested: ModelUnderTest) -> None:
    """What an earlier stage trained, buffers too, moves in no update, loss or ``after_step`` of a later one.

    ``prepare_stage`` and ``enter_stage`` may change it. A later phase that trains exactly the parameters of an earlier
    one goes on with them, which is no accident.
    """
    if tested.cls.stages == 1:
        raise CheckSkipped("one stage")
    model = tested.build(tested.data.info())
    stage, frozen, moved = -1, dict[str, Tensor](), set[str]()
    began = last = _tensors(model)
    for runner, phase, batch, step in training_updates(model, tested.data):
        if step.stage == stage:
            _require_still(model, frozen, stage)
        else:
            moved |= set(unequal_names(began, last))
            stage, began = step.stage, _tensors(model)
            finished = _finished(model, runner, stage, moved)
            frozen = {name: tensor for name, tensor in began.items() if name in finished}
        runner.run(phase, batch, step)
        last = _require_still(model, frozen, stage)
    if stage < 0:
        raise CheckSkipped("no phases")
    _require_still(model, frozen, stage)


def _require_still(model: GenerativeModel, frozen: dict[str, Tensor], stage: int) -> dict[str, Tensor]:
    """Raise CheckFailed if a frozen tensor has moved; return copies of all tensors."""
    now = _tensors(model)
    names = unequal_names(frozen, {name: now[name] for name in frozen})
    require(
        not names,
        f"stage {stage} changes {first_of(names)}, which an earlier stage trained: finished stages are frozen, so name "
        "in a phase only the modules of its own stage, and in after_step look at step.stage",
    )
    return now


def _tensors(model: GenerativeModel) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers, those too that checkpoints do not hold."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor.detach().clone() for name, tensor in tensors}


def _finished(model: GenerativeModel, runner: PhaseRunner, stage: int, moved: set[str]) -> set[str]:
    """Return the names of what only earlier stages move; ``moved`` names what moved in them.

    A buffer outside the modules of all phases, such as a codebook of averages, is an earlier stage's if it moved there.
    Numbers, such as counters, and the augmentation's state are no part of a stage.
    """
    earlier = [_trained(phase) for phase in runner.phases if phase.stage < stage]
    again = [ids for ids in map(_trained, (p for p in runner.phases if p.stage >= stage)) if ids in earlier]
    frozen = set().union(*earlier) - set().union(*again)
    names = {name for name, parameter in model.named_parameters() if id(parameter) in frozen}
    finished = {id(module) for module in runner.finished(stage)}
    own = {id(buffer) for phase in runner.phases if phase.stage >= stage for buffer in phase.module.buffers()}
    for prefix, module in model.named_modules():
        for name, buffer in module.named_buffers(prefix, recurse=False):
            free = id(buffer) not in own and name in moved and buffer.ndim > 0 and not name.startswith("augmentation.")
            if id(module) in finished or free:
                names.add(name)
    return names


def _trained(phase: Phase) -> frozenset[int]:
    """Return the identities of the parameters that a phase trains."""
    optimised = {id(parameter) for group in phase.optimizer.param_groups for parameter in group["params"]}
    return frozenset(id(parameter) for parameter in phase.module.parameters() if id(parameter) in optimised)
