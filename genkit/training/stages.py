"""The stages of a training: their shares of the budget, their batch sizes, and how far a run is in them."""

from __future__ import annotations

import math
from itertools import accumulate

from genkit.errors import PluginError
from genkit.models.base import GenerativeModel, Phase, Step
from genkit.training.config import RunConfig
from genkit.training.snapshot import State


class Stages:
    """Splits the budget of a run among the stages that have phases: evenly, or as the model's ``stage_shares`` say.

    Raises PluginError for shares or batch factors that are not one positive number for each stage.
    """

    def __init__(self, model: GenerativeModel, phases: list[Phase], config: RunConfig) -> None:
        self.config = config
        self._shares = one_for_each_stage(model, "stage_shares")
        self._batches = one_for_each_stage(model, "stage_batches")
        trained = {phase.stage for phase in phases}
        sums = list(accumulate(share if stage in trained else 0.0 for stage, share in enumerate(self._shares)))
        self._ends = [used / sums[-1] if sums[-1] else 1.0 for used in sums]  # the last one is exactly 1

    def batch(self, stage: int) -> int:
        """Return the batch size of a stage, of one process."""
        return max(1, round(self.config.batch * self._batches[stage]))

    def spent(self, stage: int, images: int, seconds: float) -> bool:
        """Whether a run that has used so many images and seconds is through with a stage."""
        return self._used(images, seconds) >= self._budget * self._ends[stage]

    def locate(self, step: Step, state: State, seconds: float) -> Step:
        """Tell a step how far the run is, and return it; ``seconds`` are those that all processes agree on."""
        used, end = self._used(state.drawn, seconds), self._budget * self._ends[step.stage]
        began = self._used(state.stage_drawn, state.stage_seconds)
        step.stage_images = state.drawn - state.stage_drawn
        step.progress = min(1.0, used / self._budget)
        step.stage_progress = min(1.0, max(0.0, used - began) / (end - began)) if end > began else 1.0
        return step

    @property
    def _budget(self) -> float:
        return self.config.images or 60 * (self.config.minutes or math.inf)

    def _used(self, images: int, seconds: float) -> float:
        return images if self.config.images is not None else seconds


def phases_of(model: GenerativeModel, config: RunConfig) -> list[Phase]:
    """Return a model's phases; in a tuned run their learning rates have its factor."""
    phases = model.phases()
    if config.tuning is not None:
        for optimizer in {id(phase.optimizer): phase.optimizer for phase in phases}.values():
            for group in optimizer.param_groups:
                group["lr"] *= config.tuning.rate
    return phases


def one_for_each_stage(model: GenerativeModel, name: str) -> tuple[float, ...]:
    """Return a model's ``stage_shares`` or ``stage_batches``, or 1 for each stage where it has none.

    Raises PluginError unless they are one positive number for each stage.
    """
    given: tuple[float, ...] = getattr(model, name) or (1.0,) * model.stages
    if len(given) != model.stages or not all(0 < each < math.inf for each in given):
        raise PluginError(
            f"{name} of {type(model).__name__} is {given}: it has one positive number for each of the "
            f"{model.stages} stages, or is left out"
        )
    return given
