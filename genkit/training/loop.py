"""The training loop. It iterates over phases and never asks for the family of a model."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from genkit.data import ImageDataset
from genkit.data.stream import BatchStream
from genkit.devices import pick_precision
from genkit.errors import Interrupted
from genkit.files.temporaries import clear
from genkit.files.text import quoted
from genkit.models.base import GenerativeModel, Phase, Step, check_loss
from genkit.training import distributed, snapshot
from genkit.training.batch_norm import Owned, average_statistics, statistics
from genkit.training.ema import Ema
from genkit.training.monitor import Monitor
from genkit.training.phases import PhaseRunner
from genkit.training.profiling import Profiler
from genkit.training.runs import Run
from genkit.training.settings import Settings
from genkit.training.signals import StopSignal
from genkit.training.stages import Stages, phases_of


class Loop:
    """Trains one model in one run folder, from its newest checkpoint or from the beginning."""

    def __init__(
        self,
        run: Run,
        model: GenerativeModel,
        data: ImageDataset,
        device: torch.device,
        settings: Settings,
        tell: Callable[[dict[str, Any]], None],
        stop: StopSignal | None = None,
    ) -> None:
        self.run, self.model, self.data, self.device, self.settings = run, model, data, device, settings
        config = run.config
        self.rank = distributed.rank()
        self.stream = BatchStream(
            data.train, config.batch, config.seed, device, rank=self.rank, world=distributed.world()
        )
        self.phases = phases_of(model, config)
        check_loss(model, self.phases)
        precision, norms = pick_precision(config.precision, device), bool(settings.track)
        self.runner = PhaseRunner(model, self.phases, config.seed, device, precision, norms)
        self.ema = Ema(model, model.ema, model.ema_half_life)
        self.state = snapshot.State(model, self.ema, self.runner, self.stream)
        self.monitor = Monitor(run, self.state, data.test, device, settings, tell)
        self.stop = stop or StopSignal()
        self.profiler = Profiler(run.path / "profile", 0 if self.rank else settings.profile, device, self._profiled)
        self.stages = Stages(model, self.phases, config)
        self._milestones: list[int] = []
        self._moving: Owned = []
        self._seconds = 0.0
        self._has_after_step = type(model).after_step is not GenerativeModel.after_step

    def train(self) -> None:
        """Train to the end of the budget; see genkit.training.api.train for what is raised."""
        self._restore()
        with self.monitor.log_open():
            self.monitor.status("running")
            seconds = self.state.seconds
            self.monitor.event("start", budget=self.run.config.budget)
            # Trackers take seconds to begin, which are no training.
            self.state.began = time.monotonic() - seconds
            with self.profiler.ready():
                for stage in range(max(0, self.state.stage), self.model.stages):
                    self._train_stage(stage)
            self._finish()

    def _restore(self) -> None:
        """Go back to the newest checkpoint that process 0 sees, and remove what a killed one left half written."""
        newest = ""
        if not self.rank:
            clear(self.run.path / "checkpoints")
            newest = max((path.name for path in self.run.checkpoints()), default="")
        newest = distributed.agree(newest)
        snapshot.restore(self.state, self.run, newest)
        if newest:
            distributed.barrier()
        else:
            self._share()
        count, images = self.run.config.milestones, self.run.config.images or 0
        due = [images * number // (count + 1) for number in range(1, count + 1)]
        self._milestones = [milestone for milestone in due if milestone > self.stream.drawn]

    def _share(self) -> None:
        """Give all processes the numbers of the first: what each draws or fits may differ between machines and GPUs."""
        distributed.share([*self.model.state_dict().values(), *self.ema.average.values()])

    def _train_stage(self, stage: int) -> None:
        """Prepare a stage, unless the checkpoint is of it, and step until its share of the budget is used."""
        state, train_data = self.state, self.data.train
        self._read_clock()
        self.stream.batch = self.stages.batch(stage)
        self.runner.train_mode(stage)
        with self.ema.copying_changes():
            if stage > state.stage:
                state.stage, state.stage_drawn, state.stage_seconds = stage, state.drawn, self._seconds
                self.ema.settle(self.runner.finished(stage))
                self.model.prepare_stage(stage, train_data, self._make_step(state.index, 0, "prepare"))
                self._share()
            self.model.enter_stage(stage, train_data, self._make_step(0, 0, "enter"))
        if self.run.config.batch_norm:
            self._moving = statistics(self.model, moving=True)
        phases = [phase for phase in self.phases if phase.stage == stage]
        last_saved = time.monotonic()
        while phases and not self._spent(stage):
            self._step(phases)
            self._keep_milestone()
            self.monitor.after_step()
            self.profiler.after_step(state.index)
            if distributed.any_of(self.stop.received):
                self._interrupt()
            if time.monotonic() - last_saved > self.settings.checkpoint_seconds:
                last_saved = time.monotonic()
                self._save()

    def _step(self, phases: list[Phase]) -> None:
        """One training step: every phase with its repeats, then the averages and the model's own after_step."""
        state, before = self.state, self.stream.drawn
        shared = self.stream.next()
        for phase in phases:
            if state.index % phase.every:
                continue
            for repeat in range(phase.repeats):
                batch = shared if repeat == 0 else self.stream.next()
                self.runner.run(phase, batch, self._make_step(state.index, repeat, phase.name))
        average_statistics(self._moving)
        self.ema.update(self.stream.drawn - before, self.stream.drawn)
        if self._has_after_step:
            self.model.after_step(self._make_step(state.index, 0, "after"))
        state.index += 1

    def _make_step(self, index: int, repeat: int, phase: str) -> Step:
        """Return the step that a phase, or a method of the model outside a phase, is given."""
        step = self.runner.step(index, repeat, self.state.drawn, self.state.stage, phase)
        return self.stages.locate(step, self.state, self._seconds)

    def _spent(self, stage: int) -> bool:
        """Whether the stage has used its share of the budget."""
        self._read_clock()
        return self.stages.spent(stage, self.state.drawn, self._seconds)

    def _read_clock(self) -> None:
        """Read the time, which all processes agree on, if the budget is in minutes."""
        if self.run.config.images is None:
            self._seconds = distributed.mean(self.state.seconds)

    def _keep_milestone(self) -> None:
        """Keep a checkpoint where one is due; a run that resumes from an older one writes the same again."""
        if self._milestones and self.stream.drawn >= self._milestones[0]:
            self._milestones = [images for images in self._milestones if images > self.stream.drawn]
            self._write(f"milestone-{self.state.index:09d}.safetensors")

    def _interrupt(self) -> None:
        """Save and raise Interrupted, in all processes after the same step and once the first has saved."""
        self._save()
        self.monitor.status("interrupted")
        self.monitor.event("interrupted", reason="")
        distributed.barrier()
        again = distributed.command_of_all(f"genkit train --resume {quoted(self.run.path)}")
        raise Interrupted(f"stopped after {self.stream.drawn:,} images; resume with: {again}")

    def _profiled(self, path: Path, lines: list[str]) -> None:
        """Tell of a trace."""
        self.monitor.event("profile", path=str(path), lines=lines)

    def _save(self) -> None:
        """Write a checkpoint to resume from; remove old ones after it is fully written."""
        path = self._write(f"step-{self.state.index:09d}.safetensors")
        if self.rank:
            return
        for old in self.run.checkpoints()[: -max(1, self.settings.keep)]:
            old.unlink(missing_ok=True)
        self.monitor.status("running")
        self.monitor.event("checkpoint", path=str(path))

    def _write(self, name: str) -> Path:
        """Write a checkpoint, unless a weight is not finite."""
        path = self.run.path / "checkpoints" / name
        if not self.rank:
            self.runner.verify_weights(self.state.index)
            self.state.log_offset = self.monitor.sync_log()
            snapshot.save(self.state, path)
        return path

    def _finish(self) -> None:
        """Write the last log line, checkpoint and sample grid."""
        self.monitor.log()
        self._save()
        self.monitor.preview(self.run.path / "samples.png")
        self.monitor.status("finished")
        self.monitor.event("end")
