"""Where the pictures that a run's model draws are from, for their files to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from genkit.files.integrity import sha256_file
from genkit.models.base import GenerativeModel
from genkit.models.drawing import sampling_of
from genkit.results.environment import describe
from genkit.results.origin import Kind, Origin
from genkit.training.runs import Run


def origin_of(
    run: Run, model: GenerativeModel, checkpoint: Path | None, kind: Kind, *, seed: int, raw: bool = False, **facts: Any
) -> Origin:
    """Return the origin of pictures that a run's model draws; ``facts`` are further fields.

    ``checkpoint`` is the file of its weights, None where these were not written. OSError passes through.
    """
    config = run.config
    _, height, width = config.data.shape
    environment = describe()
    return Origin(
        kind=kind,
        version=environment["genkit"],
        model=f"{config.dist}:{config.model}",
        dataset=config.dataset_slug,
        dataset_sha256=config.dataset_sha256,
        run=run.id,
        run_sha256=sha256_file(run.path / "run.json"),
        seed=seed,
        checkpoint="" if checkpoint is None else checkpoint.name,
        checkpoint_sha256="" if checkpoint is None else sha256_file(checkpoint),
        weights=weights_of(model, raw),
        size=(height, width),
        sampling=sampling_of(model),
        device=model.device.type,
        torch=environment["torch"],
        **facts,
    )


def weights_of(model: GenerativeModel, raw: bool) -> Literal["ema", "raw"]:
    """Return "ema" or "raw": the weights that are used, always raw for a model without moving averages."""
    return "raw" if raw or not model.ema else "ema"
