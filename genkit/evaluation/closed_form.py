"""Stages with a closed form: of baselines without training, and of checkpoints from before the end of training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from genkit.data import Split
from genkit.models.base import GenerativeModel, Step
from genkit.training.runs import Run, checkpoint_meta, load


def prepare_stages(model: GenerativeModel, train: Split, stages: range | None = None) -> GenerativeModel:
    """Prepare some stages of a model, by default all, from a fixed seed, and return the model."""
    for stage in range(model.stages) if stages is None else stages:
        model.prepare_stage(stage, train, Step(0, 0, torch.Generator(model.device).manual_seed(0), stage))
    return model


def last_trained_stage(model: GenerativeModel) -> int:
    """Return the last stage that has phases; later stages have closed forms."""
    return max((phase.stage for phase in model.phases()), default=0)


def load_for_evaluation(
    run: Run,
    path: Path,
    train: Split,
    device: torch.device,
    *,
    raw: bool = False,
    sampling: Mapping[str, Any] | None = None,
) -> GenerativeModel:
    """Load a checkpoint's model as if training had ended there.

    Later stages are prepared as in training, where the averages of what is finished are its weights, if none of them
    has phases. ``raw`` takes the raw weights instead; ``sampling`` changes options of drawing.
    Raises like genkit.training.runs.load.
    """
    stage = checkpoint_meta(path)["stage"]
    model = load(run, checkpoint_path=path, raw=raw, sampling=sampling).to(device)
    if last_trained_stage(model) <= stage:
        prepare_stages(model, train, range(stage + 1, model.stages))
    return model.eval()
