"""The hooks. Some yield specs of what a plugin offers; others observe training and evaluation.

A hook that yields specs only describes what exists: it must not import torch, use the disk or network, or call the
registry. An implementation may omit arguments that it does not use.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

from genkit.registry.specs import (
    CommandSpec,
    DatasetSpec,
    EngineSpec,
    FeatureSpec,
    MetricSpec,
    ModelSpec,
    TextEncoderSpec,
    TrackerSpec,
)

if TYPE_CHECKING:
    from pathlib import Path

    from genkit.results.records import Record

hookspec = pluggy.HookspecMarker("genkit")
hookimpl = pluggy.HookimplMarker("genkit")


@hookspec
def genkit_models() -> Iterable[ModelSpec]:
    """Yield the models of this plugin."""
    return ()


@hookspec
def genkit_datasets() -> Iterable[DatasetSpec]:
    """Yield the data sets of this plugin."""
    return ()


@hookspec
def genkit_features() -> Iterable[FeatureSpec]:
    """Yield the feature extractors of this plugin."""
    return ()


@hookspec
def genkit_text_encoders() -> Iterable[TextEncoderSpec]:
    """Yield the text encoders of this plugin."""
    return ()


@hookspec
def genkit_metrics() -> Iterable[MetricSpec]:
    """Yield the metrics of this plugin."""
    return ()


@hookspec
def genkit_engines() -> Iterable[EngineSpec]:
    """Yield what can run the jobs of a board: the local machine, a cluster."""
    return ()


@hookspec
def genkit_commands() -> Iterable[CommandSpec]:
    """Yield the commands that this plugin adds to ``genkit``."""
    return ()


@hookspec
def genkit_trackers() -> Iterable[TrackerSpec]:
    """Yield the trackers of this plugin, which follow only runs that ask for them (``genkit train --track``)."""
    return ()


@hookspec
def genkit_train_event(event: dict[str, Any]) -> None:
    """Observe training.

    ``event`` has "kind", "run" (the folder), "images", "seconds", "stage" and "step" (from 0), "config" (how the run is
    made, as in run.json), "rank" (of the process) and "resumed" (whether it went on from a checkpoint). Kinds are
    "start", "log" with "values", "checkpoint" and "picture" with the "path" of what was written, "warning" with a
    "reason", and at last "end", "interrupted" or "failed" with a "reason". An observer that fails is switched off,
    which is logged, and never stops a run.
    """


@hookspec
def genkit_record(record: Record, path: Path, run: Path | None) -> None:
    """Observe each record of an evaluation after it has been stored in the file ``path``.

    ``run`` is the folder of the run that was measured, None if it was something else.
    """
