"""Checks that checkpoints hold the whole state: a resumed run ends exactly like an uninterrupted one."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genkit.conformance.report import CheckFailed, CheckSkipped, require
from genkit.conformance.under_test import (
    BATCH,
    CPU,
    ModelUnderTest,
    copied_state,
    first_of,
    identical,
    training_updates,
    unequal_names,
)
from genkit.files.temporaries import Scratch
from genkit.models.base import GenerativeModel
from genkit.options import build, to_json
from genkit.training import checkpoint
from genkit.training.config import RunConfig
from genkit.training.loop import Loop
from genkit.training.phases import PhaseRunner
from genkit.training.runs import Run, create
from genkit.training.settings import Settings
from genkit.training.stages import one_for_each_stage

STEPS = 6
"""Training steps of the shortest stage; resumed runs start in the middle of each."""

MOST_STEPS = 60
"""Training steps of all stages, however unequal their shares."""


def checkpoint_round_trip(tested: ModelUnderTest) -> None:
    """A new model restored from a checkpoint has the same state and optimisers and draws the same images."""
    model = tested.build(tested.data.info())
    runner = PhaseRunner(model, [], 0, CPU)
    for runner, phase, batch, step in training_updates(model, tested.data):
        runner.run(phase, batch, step)
    model.eval()
    fresh = tested.build(tested.data.info(), seed=1).eval()
    restored_runner = PhaseRunner(fresh, fresh.phases(), 0, CPU)
    with Scratch() as folder:
        path = folder / "model.safetensors"
        _write(path, model, runner)
        tensors, meta = checkpoint.load(path)
    checkpoint.restore_module(fresh, _part(tensors, "model/"), "its checkpoint")
    for number, optimizer in enumerate(restored_runner.optimizers if runner.optimizers else []):
        checkpoint.restore_optimizer(optimizer, _part(tensors, f"optimizer/{number}/"), meta["optimizers"][number])
        saved, restored = checkpoint.optimizer_state(runner.optimizers[number]), checkpoint.optimizer_state(optimizer)
        lost = unequal_names(saved[0], restored[0])
        require(not lost, f"optimiser {number} loses {first_of(lost)} in a checkpoint")
        require(_plain(saved[1]) == _plain(restored[1]), f"the settings of optimiser {number} change in a checkpoint")
    lost = unequal_names(copied_state(model), copied_state(fresh))
    require(not lost, f"a checkpoint restores {first_of(lost)} with another value")
    torch.manual_seed(0)
    drawn = tested.sample(model, 8, 3)
    torch.manual_seed(0)
    require(
        identical(drawn, tested.sample(fresh, 8, 3)),
        "a model restored from a checkpoint draws other images: sampling uses something that is neither parameter nor "
        "buffer",
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
        raise CheckFailed(f"the settings of an optimiser can't be stored as JSON: {error}") from error


def training_repeats(tested: ModelUnderTest) -> None:
    """Two runs with the same seed end in the same bits: weights, averages and optimisers."""
    with Scratch() as folder:
        first, second = (_trained(tested, _run(tested, folder)) for _ in range(2))
        names = _differences(first, second)
    require(
        not names,
        f"two runs with the same seed differ in {first_of(names)}: draw from step.generator, keep no global state",
    )


def resume_exact(tested: ModelUnderTest) -> None:
    """A run resumed in the middle of any stage, in a new model, ends in the same bits as an uninterrupted one."""
    with Scratch() as folder:
        whole = _run(tested, folder)
        end = _trained(tested, whole)
        saved: dict[int, list[Path]] = {}
        for path in whole.checkpoints():
            saved.setdefault(checkpoint.load(path)[1]["stage"], []).append(path)
        if sum(map(len, saved.values())) < STEPS // 2 + 1:
            raise CheckSkipped("no phases")
        for stage, paths in saved.items():
            resumed = _run(tested, folder)
            (resumed.path / "checkpoints").mkdir()
            shutil.copy(paths[(len(paths) - 1) // 2], resumed.path / "checkpoints")
            where = f" within stage {stage}" if tested.cls.stages > 1 else ""
            try:
                names = _differences(end, _trained(tested, resumed))
            except Exception as error:
                raise CheckFailed(
                    f"a run resumed{where} fails ({type(error).__name__}: {error}): keep what prepare_stage makes in "
                    "buffers, or derive it in enter_stage"
                ) from error
            require(
                not names,
                f"a run resumed{where} differs in {first_of(names)}: training changes something that is not a "
                "parameter, buffer or optimiser state, so no checkpoint holds it",
            )


def _run(tested: ModelUnderTest, folder: Path) -> Run:
    """Create a run with a budget of a few steps."""
    info = tested.data.info()
    model = tested.build(info)
    phases = model.phases()
    stages = {phase.stage for phase in phases}
    shares = [one_for_each_stage(model, "stage_shares")[stage] for stage in stages] or [1.0]
    steps = min(MOST_STEPS, math.ceil(STEPS * sum(shares) / min(shares)))
    drawn = max((sum(p.repeats - 1 for p in phases if p.stage == s) + 1 for s in stages), default=1)
    options = to_json(build(tested.cls.Options, tested.options, tested.name))
    config = RunConfig(
        model=tested.name.replace(":", "-"),
        dist="",
        version="",
        options=options,
        dataset=tested.data.name,
        dataset_slug=tested.data.slug,
        dataset_sha256=tested.data.sha256,
        data=info,
        batch=BATCH,
        images=BATCH * drawn * steps,
    )
    return create(folder, config)


def _trained(tested: ModelUnderTest, run: Run) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Train to the end of the budget, with a checkpoint at every step; return the last one."""
    model = tested.build(run.config.data)
    settings = Settings(checkpoint_seconds=-1, keep=10**6, previews=0)
    Loop(run, model, tested.data, CPU, settings, lambda event: None).train()
    return checkpoint.load(run.newest_checkpoint())


def _differences(
    one: tuple[dict[str, Tensor], dict[str, Any]], other: tuple[dict[str, Tensor], dict[str, Any]]
) -> list[str]:
    names = unequal_names(_trained_part(one[0]), _trained_part(other[0]))
    names += [key for key in ("index", "drawn", "optimizers", "skips") if one[1][key] != other[1][key]]
    return names


def _trained_part(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("log/")}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _plain(values: Any) -> str:
    return json.dumps(values, sort_keys=True)
