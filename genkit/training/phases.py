"""Running a phase: enable its parameters, loss, backward, average over processes, clip, check, optimiser step."""

from __future__ import annotations

import contextlib
import math

import torch
from torch import nn

from genkit.data.stream import Batch
from genkit.devices import autocast
from genkit.errors import PluginError, TrainingError
from genkit.models.base import GenerativeModel, Phase, Step
from genkit.seeds import derive
from genkit.training import distributed

ALIKE_ON_ALL_PROCESSES = ("prepare", "enter", "after")
"""Steps outside a phase change the model directly, so all processes draw the same random numbers in them."""

GLOBAL_SEED_MASK = 0x2545F4914F6CDD1D
"""Makes the global generators' seed differ from that of the step's own generator: any 63-bit constant does."""

GRADIENT_NORM = "_gradient_norm"
"""Ends the names of gradient norms in the log, after that of their phase."""

MOST_SKIPS = 20
"""Consecutive skipped repeats of a phase that stop a run."""


class PhaseRunner:
    """Runs the phases of one model.

    ``window`` holds what was logged since the last log line; ``skips`` the consecutive skipped repeats of each phase.
    With ``norms`` the log has the L2 norm of each phase's gradient too, before clipping and averaged over processes: of
    every repeat if the phase needs it anyway, else of the first one of each line, as a norm costs a pass over memory.
    """

    def __init__(
        self,
        model: GenerativeModel,
        phases: list[Phase],
        seed: int,
        device: torch.device,
        precision: str = "float32",
        norms: bool = False,
    ) -> None:
        self.model = model
        self.phases = phases
        self.seed = seed
        self.device = device
        self.norms = norms
        self.window: dict[str, list[float]] = {}
        self.skips: dict[str, int] = {}
        self.optimizers = list({id(phase.optimizer): phase.optimizer for phase in phases}.values())
        for phase in phases:
            if phase.repeats < 1 or phase.every < 1 or not 0 <= phase.stage < model.stages:
                raise PluginError(
                    f"phase {phase.name!r} of {type(model).__name__} has repeats {phase.repeats}, every {phase.every} "
                    f"and stage {phase.stage}; the first two are at least 1, the stage is below {model.stages}"
                )
        trainable = [p for p in model.parameters() if p.requires_grad]
        self._optimized: dict[str, list[nn.Parameter]] = {}
        self._trained: dict[str, list[nn.Parameter]] = {}
        self._frozen: dict[str, list[nn.Parameter]] = {}
        for phase in phases:
            self._optimized[phase.name] = [p for group in phase.optimizer.param_groups for p in group["params"]]
            own = {id(p) for p in phase.module.parameters()} & {id(p) for p in self._optimized[phase.name]}
            self._trained[phase.name] = [p for p in trainable if id(p) in own]
            self._frozen[phase.name] = [p for p in trainable if id(p) not in own]
        if len(self._trained) != len(phases):
            raise PluginError(f"{type(model).__name__} has two phases of one name")
        self._rates = {id(o): [group["lr"] for group in o.param_groups] for o in self.optimizers}
        self._scheduled = {id(phase.optimizer) for phase in phases if phase.schedule is not None}
        self._active = ""
        self._generator = torch.Generator(device)
        self._augmentation = model.augmentation
        self._rank = distributed.rank()
        self._precision = autocast(device, precision)

    def step(self, index: int, repeat: int, images_seen: int, stage: int, phase: str = "prepare") -> Step:
        """Return the Step of one repeat of a phase; all random generators are reseeded from these arguments."""
        rank = 0 if phase in ALIKE_ON_ALL_PROCESSES else self._rank
        own = derive(self.seed, "turn", index, stage, phase, repeat, rank)
        everywhere = own ^ GLOBAL_SEED_MASK
        # Not torch.manual_seed: that formats a stack trace for CUDA's lazy start, a millisecond a step.
        torch.default_generator.manual_seed(everywhere)
        if self.device.type == "cuda":
            torch.cuda.manual_seed_all(everywhere)
        self._generator.manual_seed(own)
        return Step(
            index,
            images_seen,
            self._generator,
            stage,
            sum=distributed.total,
            augmentation=self._augmentation,
        )

    def run(self, phase: Phase, batch: Batch, step: Step) -> None:
        """Run one repeat of a phase; raises TrainingError, naming the phase, for a loss that is not finite."""
        self._enable(phase.name)
        with self._precision if phase.autocast else contextlib.nullcontext():
            loss = self.model.loss(phase.name, batch, step)
        value = float(loss.detach())
        if not math.isfinite(value):
            self.verify_weights(step.index)
            raise TrainingError(f"the loss of phase {phase.name!r} is {value} at step {step.index}")
        self._note(phase.name, value)
        for name, logged in step.logged.items():  # now: after the step is queued, a GPU's value would wait for it
            self._note(name, float(logged))
        for parameter in self._optimized[phase.name]:  # as zero_grad does, without a profiler's context each time
            parameter.grad = None
        (loss if phase.every == 1 else loss * phase.every).backward()
        own = self._trained[phase.name]
        distributed.average_gradients(own)
        if self._clip_and_check(phase, own, step):
            if id(phase.optimizer) in self._scheduled:
                factor = phase.schedule(step) if phase.schedule is not None else 1.0
                for group, rate in zip(phase.optimizer.param_groups, self._rates[id(phase.optimizer)], strict=True):
                    group["lr"] = rate * factor
            phase.optimizer.step()

    def verify_weights(self, index: int) -> None:
        """Raise TrainingError, naming the phase, if weights are not finite: a gradient before this step was not.

        Called before a checkpoint and when a loss is not finite: checking the gradients at every step would cost small
        networks 2.5 % of their speed, and such weights show in the next loss.
        """
        for phase, own in self._trained.items():
            for parameter in own:
                if not bool(parameter.isfinite().all()):
                    raise TrainingError(f"the gradient of phase {phase!r} was not finite before step {index}")

    def train_mode(self, stage: int) -> None:
        """Put the model in training mode, except for modules that only finished stages train: those are frozen."""
        self.model.train()
        for module in self.finished(stage):
            module.eval()

    def finished(self, stage: int) -> list[nn.Module]:
        """Return the modules, and their submodules, that only stages before this one train.

        A module without parameters, such as a dropout, is finished unless it is part of what is still trained.
        """
        later = [phase for phase in self.phases if phase.stage >= stage]
        moving = {id(parameter) for phase in later for parameter in self._trained[phase.name]}
        used = {id(module) for phase in later for module in phase.module.modules()}

        def done(module: nn.Module) -> bool:
            own = list(module.parameters())
            return not any(id(parameter) in moving for parameter in own) if own else id(module) not in used

        earlier = [phase for phase in self.phases if phase.stage < stage]
        return [module for phase in earlier for module in phase.module.modules() if done(module)]

    def means(self) -> dict[str, float]:
        """Return the means of what was logged since the last call, and start a new window."""
        means = {name: sum(values) / len(values) for name, values in self.window.items()}
        self.window.clear()
        return means

    def _enable(self, phase: str) -> None:
        if phase != self._active:
            for parameter in self._frozen[phase]:
                parameter.requires_grad_(False)
            for parameter in self._trained[phase]:
                parameter.requires_grad_(True)
            self._active = phase

    def _clip_and_check(self, phase: Phase, own: list[nn.Parameter], step: Step) -> bool:
        """Clip the gradients; return whether the optimiser may step."""
        logged = f"{phase.name}{GRADIENT_NORM}"
        if phase.clip is None and phase.skip_above is None:
            if self.norms and logged not in self.window:
                norms = [torch.linalg.vector_norm(each.grad) for each in own if each.grad is not None]
                self._note(logged, float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0)
            return True
        norm = float(nn.utils.clip_grad_norm_(own, phase.clip if phase.clip is not None else math.inf))
        if self.norms:
            self._note(logged, norm)
        if phase.skip_above is None:
            if not math.isfinite(norm):
                raise TrainingError(f"the gradient of phase {phase.name!r} is not finite at step {step.index}")
            return True
        sound = norm <= phase.skip_above
        self._note(f"{phase.name}_skipped", float(not sound))
        if sound:
            self.skips[phase.name] = 0
            return True
        self.skips[phase.name] = self.skips.get(phase.name, 0) + 1
        if self.skips[phase.name] >= MOST_SKIPS:
            raise TrainingError(f"phase {phase.name!r} has exploded {MOST_SKIPS} times in a row, at step {step.index}")
        return False

    def _note(self, name: str, value: float) -> None:
        self.window.setdefault(name, []).append(value)
