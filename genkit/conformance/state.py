"""What a checkpoint holds: the whole state, as tensors, so that a resumed run ends where the uninterrupted one does."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genkit.conformance.report import Broken, Skip, require
from genkit.conformance.subject import BATCH, CPU, Subject, differing, same, some, tensors_of, walk
from genkit.models.base import GenerativeModel
from genkit.options import build, to_json
from genkit.training import checkpoint
from genkit.training.loop import Loop
from genkit.training.phases import PhaseRunner
from genkit.training.runs import Run, RunConfig, create
from genkit.training.settings import Settings

STEPS = 6
"""Training steps of a run, per stage; it is interrupted after the third."""


def checkpoint_round_trip(subject: Subject) -> None:
    """Model and optimisers go through a file into a fresh model that has the same state and draws the same images."""
    model = subject.build(subject.data.info())
    runner = PhaseRunner(model, [], 0, CPU)
    for runner, phase, batch, step in walk(model, subject.data):
        runner.run(phase, batch, step)
    model.eval()
    fresh = subject.build(subject.data.info(), seed=1).eval()
    others = PhaseRunner(fresh, fresh.phases(), 0, CPU)
    with tempfile.TemporaryDirectory(prefix="genkit-check-") as folder:
        path = Path(folder, "model.safetensors")
        _write(path, model, runner)
        tensors, meta = checkpoint.load(path)
    checkpoint.restore_module(fresh, _part(tensors, "model/"), "its checkpoint")
    for number, optimizer in enumerate(others.optimizers if runner.optimizers else []):
        checkpoint.restore_optimizer(optimizer, _part(tensors, f"optimizer/{number}/"), meta["optimizers"][number])
        saved, restored = checkpoint.optimizer_state(runner.optimizers[number]), checkpoint.optimizer_state(optimizer)
        lost = differing(saved[0], restored[0])
        require(not lost, f"optimiser {number} loses {some(lost)} in a checkpoint")
        require(_plain(saved[1]) == _plain(restored[1]), f"the settings of optimiser {number} change in a checkpoint")
    lost = differing(tensors_of(model), tensors_of(fresh))
    require(not lost, f"{some(lost)} comes back from a checkpoint with another value")
    torch.manual_seed(0)
    drawn = subject.sample(model, 8, 3)
    torch.manual_seed(0)
    require(
        same(drawn, subject.sample(fresh, 8, 3)),
        "a model restored from a checkpoint draws other images: something that sampling uses is neither "
        "parameter nor buffer",
    )


def _write(path: Path, model: GenerativeModel, runner: PhaseRunner) -> None:
    tensors: dict[str, Tensor] = {f"model/{name}": t for name, t in checkpoint.module_state(model).items()}
    plain = []
    for number, optimizer in enumerate(runner.optimizers):
        state, values = checkpoint.optimizer_state(optimizer)
        tensors |= {f"optimizer/{number}/{name}": tensor for name, tensor in state.items()}
        plain.append(values)
    try:
        checkpoint.save(path, tensors, {"optimizers": plain})
    except (TypeError, ValueError) as error:
        raise Broken(f"an optimiser's settings can't be stored as JSON: {error}") from error


def training_repeats(subject: Subject) -> None:
    """Two trainings from one seed end bit-identical: weights, averages and optimisers."""
    with tempfile.TemporaryDirectory(prefix="genkit-check-") as folder:
        first, second = (_trained(subject, _run(subject, Path(folder))) for _ in range(2))
        names = _differences(first, second)
    require(
        not names,
        f"two trainings from one seed differ in {some(names)}: draw from step.generator, keep no global state",
    )


def resume_exact(subject: Subject) -> None:
    """A training resumed from a checkpoint, with a fresh model, ends bit-identical to one that was not interrupted."""
    with tempfile.TemporaryDirectory(prefix="genkit-check-") as folder:
        whole = _run(subject, Path(folder))
        end = _trained(subject, whole)
        saved = whole.checkpoints()
        if len(saved) < STEPS // 2 + 1:
            raise Skip("no phases")
        resumed = _run(subject, Path(folder))
        (resumed.path / "checkpoints").mkdir()
        shutil.copy(saved[STEPS // 2 - 1], resumed.path / "checkpoints")
        names = _differences(end, _trained(subject, resumed))
    require(
        not names,
        f"a resumed training differs in {some(names)}: something that training uses and changes is no parameter, no "
        "buffer and in no optimiser, so no checkpoint holds it",
    )


def _run(subject: Subject, folder: Path) -> Run:
    """Make a run folder with a budget of a few steps."""
    info = subject.data.info()
    phases = subject.build(info).phases()
    stages = len({phase.stage for phase in phases})
    drawn = max((sum(p.repeats - 1 for p in phases if p.stage == s) + 1 for s in {p.stage for p in phases}), default=1)
    options = to_json(build(subject.cls.Options, subject.options, subject.name))
    config = RunConfig(
        model=subject.name.replace(":", "-"),
        dist="",
        version="",
        options=options,
        dataset=subject.data.name,
        dataset_slug=subject.data.slug,
        dataset_sha256=subject.data.sha256,
        data=info,
        batch=BATCH,
        images=BATCH * drawn * STEPS * max(1, stages),
    )
    return create(folder, config)


def _trained(subject: Subject, run: Run) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Train to the end of the budget, saving every step; return the last checkpoint."""
    model = subject.build(run.config.data)
    settings = Settings(checkpoint_seconds=-1, keep=10**6, previews=0)
    Loop(run, model, subject.data, CPU, settings, lambda event: None).train()
    return checkpoint.load(run.newest_checkpoint())


def _differences(
    one: tuple[dict[str, Tensor], dict[str, Any]], other: tuple[dict[str, Tensor], dict[str, Any]]
) -> list[str]:
    names = differing(_trained_part(one[0]), _trained_part(other[0]))
    names += [key for key in ("index", "drawn", "optimizers", "skips") if one[1][key] != other[1][key]]
    return names


def _trained_part(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("log/")}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _plain(values: Any) -> str:
    return json.dumps(values, sort_keys=True)
