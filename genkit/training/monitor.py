"""What others see of a training run: log lines, sample grids, status.json and events."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from genkit.data.dataset import Split
from genkit.data.images import save_grid, well_formed
from genkit.errors import GenkitError
from genkit.files.text import logger
from genkit.models.base import capabilities
from genkit.models.images import understood
from genkit.results.origin import Origin
from genkit.seeds import derive
from genkit.training import distributed
from genkit.training.origin import origin_of
from genkit.training.phases import GRADIENT_NORM
from genkit.training.runs import Run
from genkit.training.settings import Settings
from genkit.training.snapshot import State
from genkit.training.status import Status
from genkit.training.trouble import LITTLE, YOUNG, Trouble, huge, smaller_rate

_LOG = logger(__name__)

PREVIEW = 100
"""Images in a sample grid, from the same latents every time."""

MOST_UNLOGGED = 1000
"""The most steps between two log lines: logged values are held in memory until their line."""

PROGRESS_SECONDS = 0.2
"""Between two progress events."""

EXAMINED = 0.5
"""The share of the budget after which samples must differ: before, a model may not have learned much."""


class Monitor:
    """Reports on one run. Of several processes only process 0 writes files and tells of events."""

    def __init__(
        self,
        run: Run,
        state: State,
        test: Split,
        device: torch.device,
        settings: Settings,
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self.run, self.state, self.test, self.device, self.tell = run, state, test, device, tell
        self.rank = distributed.rank()
        self._resumed = False
        self._config = dataclasses.asdict(run.config)
        steps = (run.config.images or 0) // (run.config.batch * distributed.world())
        self._metadata = settings.metadata
        self._log_every = min(MOST_UNLOGGED, max(1, steps // settings.logs)) if steps else 50
        self._preview_every = max(1, steps // settings.previews) if steps and settings.previews else 0
        self._minutes_between = (run.config.minutes or 0) / settings.previews if settings.previews else 0
        self._reached = math.inf
        self._last_progress = time.monotonic()
        self._means: dict[str, float] = {}
        self._trouble: Trouble | None = None
        self.warning = run.status.warning

    @contextlib.contextmanager
    def log_open(self) -> Iterator[None]:
        """Hold log.jsonl open, cut back to the last snapshot; raises GenkitError if it can't be written."""
        self._resumed = self.state.index > 0
        path = Path(os.devnull) if self.rank else self.run.path / "log.jsonl"
        try:
            path.touch()
            self._log: IO[bytes] = path.open("r+b")
            if not self.rank:
                self._log.truncate(min(self.state.log_offset, path.stat().st_size))
                self._log.seek(0, os.SEEK_END)
        except OSError as error:
            raise GenkitError(f"{path} can't be written: {error.strerror}") from error
        with self._log:
            yield

    def sync_log(self) -> int:
        """Write the log through to the disk and return its length in bytes."""
        self._log.flush()
        os.fsync(self._log.fileno())
        return self._log.tell()

    def after_step(self) -> None:
        """Write a log line, a sample grid or a progress event where one is due."""
        if self.state.index % self._log_every == 0:
            self.log()
        if self._preview_due():
            self.preview(self.run.path / "samples" / f"{self.state.drawn:09d}.png")
        now = time.monotonic()
        if now - self._last_progress > PROGRESS_SECONDS:
            self._last_progress = now
            self.event("progress")

    def _preview_due(self) -> bool:
        """Whether a sample grid is due: by steps for a budget in images, by time for one in minutes."""
        if self._preview_every:
            return self.state.index % self._preview_every == 0
        if not self._minutes_between:
            return False
        reached = self.state.seconds // (60 * self._minutes_between)
        due = reached > self._reached
        self._reached = reached
        return due

    def log(self) -> None:
        """Write one line of the means since the last line; values that are not finite are left out."""
        means = self.state.runner.means()
        if not means or self.rank:
            return
        self._means = means
        line = {"step": self.state.index, "images": self.state.drawn, "seconds": round(self.state.seconds, 3)}
        line |= {name: value for name, value in means.items() if math.isfinite(value)}
        self._log.write(json.dumps(line).encode() + b"\n")
        self._log.flush()
        self.event("log", values=means)

    def preview(self, path: Path) -> None:
        """Write a grid of samples from the averaged weights; leaves the model in training mode.

        Before the last stage a model that reconstructs can't draw yet: the grid has rows of test images instead, each
        above the row of their reconstructions. Raises PluginError for another number, shape or type of images;
        values out of range are a warning, as a diverged training is.
        """
        if self.rank:
            return
        state = self.state
        path.parent.mkdir(exist_ok=True)
        state.model.eval()
        with torch.no_grad(), state.ema.applied():
            early = state.stage < state.model.stages - 1
            rows = early and "reconstruct" in capabilities(state.model)
            images = self._reconstructions() if rows else self._samples()
            save_grid(images, path, origin=self._origin(composite=rows) if self._metadata else None)
        state.runner.train_mode(state.stage)
        self.event("picture", path=str(path))
        self._examine(None if early or self._used < EXAMINED else images)

    def _examine(self, samples: Tensor | None) -> None:
        """Say once if training has collapsed or diverged; status.json says so until a later grid is sound."""
        found = huge({name: mean for name, mean in self._means.items() if not name.endswith(GRADIENT_NORM)})
        if samples is not None and not found:
            if self._trouble is None:
                classes = self.run.config.data.num_classes if self.state.model.conditional else 0
                self._trouble = Trouble(self.state.stream.split, PREVIEW, classes)
            found = self._trouble.found(samples)
        if found and not self.warning:
            young = found.endswith(YOUNG) and self.state.drawn < LITTLE
            hint = "; ".join([found, *([] if young else smaller_rate(self.run.config))])
            _LOG.warning("run %s after %s images: %s", self.run.path, f"{self.state.drawn:,}", hint)
            self.event("warning", reason=found)
        self.warning = found

    def _origin(self, *, composite: bool) -> Origin:
        """Return where a grid is from; its weights are those of a checkpoint if one was written at this step."""
        state, seed = self.state, self.run.config.seed
        path = self.run.path / "checkpoints" / f"step-{state.index:09d}.safetensors"
        facts: dict[str, Any] = {"images": state.drawn, "count": PREVIEW, "composite": composite}
        return origin_of(self.run, state.model, path if path.is_file() else None, "preview", seed=seed, **facts)

    def _samples(self) -> Tensor:
        generator = torch.Generator(self.device).manual_seed(derive(self.run.config.seed, "preview"))
        classes = self.run.config.data.num_classes
        labels: Any = torch.arange(PREVIEW, device=self.device) % classes if classes else None
        texts, model = self.state.stream.split.captions, self.state.model
        if texts is not None and "understand" in capabilities(model):
            rows = np.linspace(0, len(texts) - 1, PREVIEW).astype(np.int64)
            labels = understood(model, [(texts[row] or ("",))[0] for row in rows])
        images = model.sample(PREVIEW, generator=generator, condition=labels)
        return well_formed(images, (PREVIEW, *self.run.config.data.shape), f"samples of {self.run.config.model}")

    def _reconstructions(self) -> Tensor:
        """Return rows of test images, picked evenly, and of their reconstructions in turn."""
        picked = np.linspace(0, len(self.test) - 1, PREVIEW // 2).astype(np.int64)
        images = self.test.images(picked).to(self.device)
        reconstructed: Tensor = self.state.model.reconstruct(images)  # type: ignore[operator]
        well_formed(reconstructed, tuple(images.shape), f"reconstructions of {self.run.config.model}")
        rows = [part.unflatten(0, (-1, 10)) for part in (images, reconstructed)]
        return torch.stack(rows, 1).flatten(0, 2)

    def status(self, name: str, reason: str = "") -> None:
        """Write status.json; a run that another process has finished, as if this one were dead, stays finished."""
        if not self.rank and (name == "finished" or not self._finished_elsewhere()):
            seconds = round(self.state.seconds, 3)
            self.run.write_status(Status(name, self.state.drawn, seconds, reason, self.warning))

    def _finished_elsewhere(self) -> bool:
        with contextlib.suppress(GenkitError):
            return self.run.finished
        return False

    @property
    def _used(self) -> float:
        """The share of the budget used, in [0, 1]."""
        config = self.run.config
        minutes = self.state.seconds / 60
        return min(1.0, self.state.drawn / config.images if config.images else minutes / (config.minutes or math.inf))

    def event(self, kind: str, **more: Any) -> None:
        """Tell observers of an event; ``done`` is the share of the budget used, in [0, 1]."""
        seconds = self.state.seconds
        self.tell(
            {
                "kind": kind,
                "run": str(self.run.path),
                "images": self.state.drawn,
                "done": self._used,
                "seconds": seconds,
                "stage": max(0, self.state.stage),
                "step": self.state.index,
                "rank": self.rank,
                "resumed": self._resumed,
                "config": self._config,
                "processes": distributed.world(),
                **more,
            }
        )
