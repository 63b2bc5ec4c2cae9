"""Models with what has a closed form fitted: baselines that nobody trains, and checkpoints on the way."""

from __future__ import annotations

from pathlib import Path

import torch

from genkit.data import Split
from genkit.models.base import GenerativeModel, Step
from genkit.training import checkpoint
from genkit.training.ema import Ema
from genkit.training.runs import Run, checkpoint_meta, load


def fitted(model: GenerativeModel, train: Split, stages: range | None = None) -> GenerativeModel:
    """Prepare some stages of a model, or all, from a fixed seed, and return it."""
    for stage in range(model.stages) if stages is None else stages:
        model.prepare_stage(stage, train, Step(0, 0, torch.Generator(model.device).manual_seed(0), stage))
    return model


def last_trained_stage(model: GenerativeModel) -> int:
    """Return the last stage that has phases; those after it are closed forms."""
    return max((phase.stage for phase in model.phases()), default=0)


def as_ended(run: Run, path: Path, train: Split, device: torch.device, *, raw: bool = False) -> GenerativeModel:
    """Load a checkpoint's model as training would have left it, had it ended there.

    The stages to come are prepared, of the raw weights as in training, if none of them has phases. ``raw`` leaves the
    moving averages out. Raises as genkit.training.runs.load does.
    """
    reached = checkpoint_meta(path)["stage"]
    model = load(run, checkpoint_path=path, raw=raw).to(device)
    to_come = range(reached + 1, model.stages)
    if not to_come or last_trained_stage(model) > reached:
        return model
    if not raw:
        model = load(run, checkpoint_path=path, raw=True).to(device)
    average = Ema(model, model.ema, model.ema_half_life)
    tensors, _ = checkpoint.load(path, "ema/")
    average.restore({name.removeprefix("ema/"): tensor for name, tensor in tensors.items()})
    with average.following():
        fitted(model, train, to_come)
    if not raw:
        model.load_state_dict(average.average, strict=False)
    return model.eval()
