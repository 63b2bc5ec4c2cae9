"""The one training loop. It iterates phases and never asks for the family of a model."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genkit.data import ImageDataset
from genkit.data.images import save_grid
from genkit.data.stream import Batch, BatchStream
from genkit.errors import DataError, GenkitError, Interrupted, TrainingError, UsageError
from genkit.models.base import GenerativeModel, Phase
from genkit.seeds import derive
from genkit.training import checkpoint, distributed
from genkit.training.ema import Ema
from genkit.training.phases import PhaseRunner
from genkit.training.runs import Run, Status

PREVIEW = 100
"""Images in a sample grid, from the same latents every time."""

MOST_UNLOGGED = 1000
"""Steps between two log lines, at most: what is logged is held until its line."""


@dataclass(frozen=True)
class Settings:
    """What moves no weight: when to save, what to keep, how often to look.

    ``checkpoint_seconds`` between checkpoints, of which the last ``keep`` stay; ``previews`` sample grids and ``logs``
    log lines in the whole budget, or a line every 1,000 steps where that is more often.
    """

    checkpoint_seconds: float = 60.0
    keep: int = 2
    previews: int = 10
    logs: int = 200

    def __post_init__(self) -> None:
        if not math.isfinite(self.checkpoint_seconds):
            raise UsageError(f"{self.checkpoint_seconds} seconds between checkpoints never pass: give a finite number")


class Loop:
    """Trains one model in one run folder, from the newest checkpoint or from nothing."""

    def __init__(
        self,
        run: Run,
        model: GenerativeModel,
        data: ImageDataset,
        device: torch.device,
        settings: Settings,
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self.run, self.model, self.data, self.device = run, model, data, device
        self.settings, self.tell = settings, tell
        config = run.config
        self.rank, self.world = distributed.rank(), distributed.world()
        self.stream = BatchStream(data.train, config.batch, config.seed, device, rank=self.rank, world=self.world)
        self.phases = model.phases()
        self.runner = PhaseRunner(model, self.phases, config.seed, device)
        self.ema = Ema(model, model.ema, model.ema_half_life)
        self.stages = [s for s in range(model.stages) if any(phase.stage == s for phase in self.phases)]
        self.index = 0
        self.stage = -1
        self.seconds = 0.0
        self.log_offset = 0
        self._began = time.monotonic()
        self._acts_after = type(model).after_step is not GenerativeModel.after_step
        self._signal = 0
        self._ahead: list[int] = []
        steps = (config.images or 0) // (config.batch * self.world)
        self._log_every = min(MOST_UNLOGGED, max(1, steps // settings.logs)) if steps else 50
        self._preview_every = max(1, steps // max(1, settings.previews)) if steps else 1000

    def train(self) -> None:
        """Train to the end of the budget; see genkit.training.api.train for what is raised."""
        self._restore()
        self._log = self._open_log()
        self._began = time.monotonic() - self.seconds
        try:
            self._status("running")
            self.tell(self._event("start", budget=self.run.config.budget))
            with self._signals():
                for stage in range(self.model.stages):
                    if stage >= self.stage:
                        self._train_stage(stage)
            self._finish()
        except OSError as error:
            self._fail(f"{error.filename or self.run.path} can't be written: {error.strerror or error}", error)
        except TrainingError as error:
            self._fail(str(error), error)
        finally:
            self._log.close()

    def _train_stage(self, stage: int) -> None:
        if stage > self.stage:
            self.stage = stage
            with self.ema.following():
                step = self.runner.step(self.index, 0, self.stream.drawn, stage)
                self.model.prepare_stage(stage, self.data.train, step)
        phases = [phase for phase in self.phases if phase.stage == stage]
        last_saved = last_told = time.monotonic()
        self._ahead = [images for images in self._milestones() if images > self.stream.drawn]
        self._train_mode()
        while phases and not self._spent(stage):
            self._step(phases)
            now = time.monotonic()
            if self._ahead and self.stream.drawn >= self._ahead[0]:
                self._milestone()
            if self.index % self._log_every == 0:
                self._log_window(now)
            if self.index % self._preview_every == 0 and self.settings.previews:
                self._preview(self.run.path / "samples" / f"{self.stream.drawn:09d}.png")
            if now - last_told > 0.2:
                last_told = now
                self.tell(self._event("progress"))
            if distributed.any_of(bool(self._signal), self.device):
                self._save()
                self._status("interrupted")
                raise Interrupted(
                    f"stopped after {self.stream.drawn:,} images; go on with: genkit train --resume {self.run.path}"
                )
            if now - last_saved > self.settings.checkpoint_seconds:
                last_saved = now
                self._save()

    def _train_mode(self) -> None:
        """Put the model in training mode, less what only finished stages train: that is frozen, statistics and all."""
        self.model.train()
        moving = {id(p) for phase in self.phases if phase.stage >= self.stage for p in phase.module.parameters()}
        for phase in self.phases:
            for module in phase.module.modules() if phase.stage < self.stage else ():
                if not any(id(parameter) in moving for parameter in module.parameters()):
                    module.eval()

    def _step(self, phases: list[Phase]) -> None:
        """One training step: every phase's runner, then the averages and the model's own after_step."""
        before = self.stream.drawn
        shared = self.stream.next()
        for phase in phases:
            if self.index % phase.every:
                continue
            for turn in range(phase.repeats):
                batch: Batch = shared if turn == 0 else self.stream.next()
                self.runner.run(
                    phase, batch, self.runner.step(self.index, turn, self.stream.drawn, self.stage, phase.name)
                )
        self.ema.update(self.stream.drawn - before, self.stream.drawn)
        if self._acts_after:
            self.model.after_step(self.runner.step(self.index, 0, self.stream.drawn, self.stage, "after"))
        self.index += 1

    def _spent(self, stage: int) -> bool:
        """Whether the stage has used its share; stages with phases share the budget evenly."""
        share = (self.stages.index(stage) + 1) / len(self.stages)
        if self.run.config.images is not None:
            return self.stream.drawn >= self.run.config.images * share
        minutes = self.run.config.minutes
        assert minutes is not None
        return distributed.any_of(time.monotonic() - self._began >= 60 * minutes * share, self.device)

    def _finish(self) -> None:
        self._log_window(time.monotonic())
        self._save()
        self._preview(self.run.path / "samples.png")
        self._status("finished")
        self.tell(self._event("end"))

    def _fail(self, reason: str, error: Exception) -> None:
        with contextlib.suppress(OSError):
            self._status("failed", reason)
        kept = self.run.checkpoints()
        state = f"the last checkpoint, {kept[-1]}, is whole" if kept else "there is no checkpoint yet"
        raise TrainingError(f"{reason}; {state}") from error

    # --- saving and restoring -------------------------------------------------------------------------------------

    def _save(self) -> None:
        """Write a checkpoint to go on from; drop old ones only after it is whole."""
        path = self.run.path / "checkpoints" / f"step-{self.index:09d}.safetensors"
        self._write(path)
        if self.rank:
            return
        for old in self.run.checkpoints()[: -max(1, self.settings.keep)]:
            old.unlink(missing_ok=True)
        self._status("running")
        self.tell(self._event("checkpoint", path=str(path)))

    def _write(self, path: Path) -> None:
        """Write a checkpoint, unless a weight is not finite."""
        self.seconds = time.monotonic() - self._began
        if self.rank:
            return
        tensors = {f"model/{name}": tensor for name, tensor in checkpoint.module_state(self.model).items()}
        self.runner.verify_weights(self.index)
        tensors |= {f"ema/{name}": tensor for name, tensor in self.ema.average.items()}
        optimizers = []
        for number, optimizer in enumerate(self.runner.optimizers):
            state, plain = checkpoint.optimizer_state(optimizer)
            tensors |= {f"optimizer/{number}/{name}": tensor for name, tensor in state.items()}
            optimizers.append(plain)
        tensors |= {f"log/{name}": torch.tensor(v, dtype=torch.float64) for name, v in self.runner.window.items()}
        self._log.flush()
        os.fsync(self._log.fileno())
        self.log_offset = self._log.tell()
        meta = {
            "index": self.index,
            "stage": self.stage,
            "drawn": self.stream.drawn,
            "seconds": self.seconds,
            "log_offset": self.log_offset,
            "optimizers": optimizers,
            "window": list(self.runner.window),
            "skips": self.runner.skips,
        }
        checkpoint.save(path, tensors, meta)

    def _milestones(self) -> list[int]:
        """The images after which a checkpoint stays, evenly apart before the last one."""
        count, images = self.run.config.milestones, self.run.config.images or 0
        return [images * place // (count + 1) for place in range(1, count + 1)]

    def _milestone(self) -> None:
        """Keep a checkpoint; a run that resumes from an older one writes the same again."""
        self._ahead = [images for images in self._ahead if images > self.stream.drawn]
        self._write(self.run.path / "checkpoints" / f"milestone-{self.index:09d}.safetensors")

    def _restore(self) -> None:
        found = self.run.checkpoints()
        if not self.rank:
            for unfinished in (self.run.path / "checkpoints").glob(".*.part"):
                unfinished.unlink(missing_ok=True)
        if not found:
            return
        try:
            tensors, meta = checkpoint.load(found[-1])
        except DataError as error:
            older = f"; remove it to go on from {found[-2].name}" if len(found) > 1 else ""
            raise DataError(f"{error}{older}") from error

        def part(prefix: str) -> dict[str, Tensor]:
            return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

        checkpoint.restore_module(self.model, part("model/"), str(found[-1]))
        self.ema.restore(part("ema/"))
        for number, optimizer in enumerate(self.runner.optimizers):
            checkpoint.restore_optimizer(
                optimizer, part(f"optimizer/{number}/"), meta["optimizers"][number], str(found[-1])
            )
        for name in meta["window"]:  # in the order of the log's keys; tensors come sorted
            values = tensors[f"log/{name}"]
            if isinstance(meta["window"], dict):  # schema 1 kept a sum and its count
                values = (values / meta["window"][name]).repeat(meta["window"][name])
            self.runner.window[name] = values.tolist()
        self.runner.skips = dict(meta["skips"])
        self.index, self.stage, self.stream.drawn = meta["index"], meta["stage"], meta["drawn"]
        self.seconds, self.log_offset = meta["seconds"], meta["log_offset"]

    # --- what others see ------------------------------------------------------------------------------------------

    def _open_log(self) -> Any:
        """Open log.jsonl, cut back to the checkpoint."""
        path = Path(os.devnull) if self.rank else self.run.path / "log.jsonl"
        try:
            path.touch()
            log = path.open("r+b")
            if not self.rank:
                log.truncate(min(self.log_offset, path.stat().st_size))
                log.seek(0, os.SEEK_END)
        except OSError as error:
            raise GenkitError(f"{path} can't be written: {error.strerror}") from error
        return log

    def _log_window(self, now: float) -> None:
        means = self.runner.means()
        if not means or self.rank:
            return
        line = {
            "step": self.index,
            "images": self.stream.drawn,
            "seconds": round(now - self._began, 3),
        }
        line |= {name: value for name, value in means.items() if math.isfinite(value)}
        self._log.write(json.dumps(line).encode() + b"\n")
        self._log.flush()
        self.tell(self._event("log", values=means))

    def _preview(self, path: Path) -> None:
        """Write a grid drawn from the same latents every time, from averaged weights."""
        if self.rank:
            return
        generator = torch.Generator(self.device).manual_seed(derive(self.run.config.seed, "preview"))
        classes = self.run.config.data.num_classes
        labels = torch.arange(PREVIEW, device=self.device) % classes if classes else None
        path.parent.mkdir(exist_ok=True)
        self.model.eval()
        with torch.no_grad(), self.ema.applied():
            save_grid(self.model.sample(PREVIEW, generator=generator, condition=labels), path)
        self._train_mode()

    def _status(self, state: str, reason: str = "") -> None:
        if not self.rank:
            self.run.write_status(Status(state, self.stream.drawn, round(time.monotonic() - self._began, 3), reason))

    def _event(self, kind: str, **more: Any) -> dict[str, Any]:
        config = self.run.config
        done = self.stream.drawn / config.images if config.images else None
        if config.minutes is not None:
            done = (time.monotonic() - self._began) / (60 * config.minutes)
        return {
            "kind": kind,
            "run": str(self.run.path),
            "images": self.stream.drawn,
            "done": min(1.0, done or 0.0),
            "seconds": time.monotonic() - self._began,
            **more,
        }

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """The first Ctrl-C or SIGTERM lets the step finish and saves; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        before = {number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}

        def note(number: int, _frame: Any) -> None:
            self._signal = number
            for each, handler in before.items():
                signal.signal(each, handler)

        for number in before:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
