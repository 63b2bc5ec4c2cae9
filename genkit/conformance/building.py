"""Whether a model can be built for the usual shapes, and its phases make sense."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim import Optimizer

from genkit.conformance.report import Broken, Skip, require
from genkit.conformance.subject import Subject
from genkit.data.dataset import ImageDataset
from genkit.errors import UsageError
from genkit.models.base import GenerativeModel, Phase


def builder(shape: str) -> Callable[[Subject], None]:
    """Return the check that a model is built for a shape, with labels and without."""

    def builds(subject: Subject) -> None:
        if subject.dataset is not None:
            if shape != "8x8-grey":
                raise Skip("a data set was given")
            _build(subject, subject.dataset)
            return
        for name in (shape, f"{shape}-unlabelled"):
            try:
                _build(subject, subject.sets[name])
            except UsageError as error:
                raise Skip(f"refuses {name}: {error}") from error

    return builds


def _build(subject: Subject, data: ImageDataset) -> None:
    model = subject.build(data.info())
    require(isinstance(model, nn.Module), f"it builds {type(model).__name__}, not a module")
    model.phases()


def phases_sound(subject: Subject) -> None:
    """Averages and phases name what is there: submodules, trainable modules, existing stages."""
    model = subject.build(subject.data.info())
    for name in model.ema:
        try:
            model.get_submodule(name)
        except AttributeError as error:
            raise Broken(f"ema names {name!r}, which is no submodule") from error
    phases = model.phases()
    if not phases and not model.ema:
        raise Skip("no phases")
    names = [phase.name for phase in phases]
    require(len(set(names)) == len(names), f"two phases have one name: {', '.join(names)}")
    for phase in phases:
        _sound(model, phase)


def _sound(model: GenerativeModel, phase: Phase) -> None:
    require(isinstance(phase.optimizer, Optimizer), f"phase {phase.name!r} has {phase.optimizer!r}, not an optimiser")
    own: list[Tensor] = [p for p in phase.module.parameters() if p.requires_grad]
    require(bool(own), f"the module of phase {phase.name!r} has no parameter to train")
    known = {id(p) for p in model.parameters()}
    require(
        all(id(p) in known for p in own),
        f"the module of phase {phase.name!r} is no part of the model, so no checkpoint would hold it",
    )
    require(
        phase.repeats >= 1 and phase.every >= 1, f"phase {phase.name!r} never runs: repeats and every are at least 1"
    )
    require(
        0 <= phase.stage < model.stages,
        f"phase {phase.name!r} is of stage {phase.stage}, but the model has {model.stages} (stages = ...)",
    )
