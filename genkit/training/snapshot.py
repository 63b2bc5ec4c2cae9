"""Snapshots: the whole state of a training run in one checkpoint, from which it resumes exactly."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from genkit.data.stream import BatchStream
from genkit.errors import DataError, MissingError
from genkit.files.integrity import Damaged
from genkit.models.base import GenerativeModel
from genkit.training import checkpoint
from genkit.training.ema import Ema
from genkit.training.phases import PhaseRunner
from genkit.training.runs import Run


@dataclass
class State:
    """All that changes while a run trains.

    ``index``: steps done; ``stage``: the current stage, -1 before the first; ``stage_drawn`` and ``stage_seconds``: the
    images and seconds at its beginning, 0 in checkpoints of before they were stored; ``log_offset``: bytes of log.jsonl
    at the last snapshot; ``began``: when training would have begun without interruptions, by ``time.monotonic``.
    """

    model: GenerativeModel
    ema: Ema
    runner: PhaseRunner
    stream: BatchStream
    index: int = 0
    stage: int = -1
    stage_drawn: int = 0
    stage_seconds: float = 0.0
    log_offset: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def drawn(self) -> int:
        """Training images drawn so far, by all processes."""
        return self.stream.drawn

    @property
    def seconds(self) -> float:
        """Seconds of training so far, without interruptions."""
        return time.monotonic() - self.began


def save(state: State, path: Path) -> None:
    """Write a checkpoint of the whole state; OSError passes through and leaves no partial file."""
    tensors = {f"model/{name}": tensor for name, tensor in checkpoint.module_state(state.model).items()}
    tensors |= {f"ema/{name}": tensor for name, tensor in state.ema.average.items()}
    optimizers = []
    for number, optimizer in enumerate(state.runner.optimizers):
        optimizer_tensors, plain = checkpoint.optimizer_state(optimizer)
        tensors |= {f"optimizer/{number}/{name}": tensor for name, tensor in optimizer_tensors.items()}
        optimizers.append(plain)
    window = state.runner.window
    tensors |= {f"log/{name}": torch.tensor(values, dtype=torch.float64) for name, values in window.items()}
    meta = {
        "index": state.index,
        "stage": state.stage,
        "stage_drawn": state.stage_drawn,
        "stage_seconds": state.stage_seconds,
        "drawn": state.drawn,
        "seconds": state.seconds,
        "log_offset": state.log_offset,
        "optimizers": optimizers,
        "window": list(window),
        "skips": state.runner.skips,
    }
    checkpoint.save(path, tensors, meta)


def restore(state: State, run: Run, newest: str | None = None) -> None:
    """Set the state to that of the run's newest checkpoint; without one it stays as it is.

    ``newest`` is the name of the newest one as another process sees it, empty for none. Raises DataError for a
    checkpoint that is damaged or of another model, MissingError where a tuned run has none.
    """
    checkpoints = run.checkpoints()
    if newest is not None:
        checkpoints = [path for path in checkpoints if path.name < newest]
        checkpoints += [run.path / "checkpoints" / newest] if newest else []
    if not checkpoints and run.config.tuning is not None:
        raise MissingError(f"run {run.path} has lost its checkpoints, and with them its parent's weights: tune it anew")
    if not checkpoints:
        return
    path = checkpoints[-1]
    try:
        tensors, document = checkpoint.load(path)
        _set(state, tensors, checkpoint.meta_of(document, path), str(path))
    except Damaged as error:
        hint = "remove it to begin the run anew" if run.config.tuning is None else "tune it anew"
        if len(checkpoints) > 1:
            hint = f"remove it to resume from {checkpoints[-2].name}"
        raise DataError(f"{error}; {hint}") from error
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DataError(f"{path} does not fit the model, data and settings of its run ({cause}): remove it") from error


def _set(state: State, tensors: Mapping[str, Tensor], meta: checkpoint.Meta, origin: str) -> None:
    """Set the state to that of a checkpoint."""
    if len(meta.optimizers) != len(state.runner.optimizers) or meta.stage >= state.model.stages:
        raise DataError(f"{origin} is of another model: remove it, or train the run anew")

    def part(prefix: str) -> dict[str, Tensor]:
        return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

    checkpoint.restore_module(state.model, part("model/"), origin)
    state.ema.restore(part("ema/"))
    for number, optimizer in enumerate(state.runner.optimizers):
        checkpoint.restore_optimizer(optimizer, part(f"optimizer/{number}/"), vars(meta.optimizers[number]), origin)
    for name in meta.window:  # in the order of the log's keys; tensors come sorted
        state.runner.window[name] = list(tensors[f"log/{name}"].tolist())
    state.runner.skips = dict(meta.skips)
    state.index, state.stage, state.stream.drawn = meta.index, meta.stage, meta.drawn
    state.stage_drawn, state.stage_seconds = meta.stage_drawn, meta.stage_seconds
    state.log_offset, state.began = meta.log_offset, time.monotonic() - meta.seconds
