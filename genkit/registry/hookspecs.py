"""The hooks. Those that offer something yield specs; those that observe are told what happened.

A hook never imports torch, reads the disk or the network, or calls back into the registry: it says what there is.
An implementation may leave out arguments that it does not use.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

from genkit.registry.specs import CommandSpec, DatasetSpec, FeatureSpec, MetricSpec, ModelSpec

if TYPE_CHECKING:
    from genkit.results.records import Record

hookspec = pluggy.HookspecMarker("genkit")
hookimpl = pluggy.HookimplMarker("genkit")


@hookspec
def genkit_models() -> Iterable[ModelSpec]:
    """Yield the models that this plugin offers."""
    return ()


@hookspec
def genkit_datasets() -> Iterable[DatasetSpec]:
    """Yield the data sets that this plugin offers."""
    return ()


@hookspec
def genkit_features() -> Iterable[FeatureSpec]:
    """Yield the feature extractors that this plugin offers."""
    return ()


@hookspec
def genkit_metrics() -> Iterable[MetricSpec]:
    """Yield the metrics that this plugin offers."""
    return ()


@hookspec
def genkit_commands() -> Iterable[CommandSpec]:
    """Yield the commands that this plugin adds to ``genkit``."""
    return ()


@hookspec
def genkit_train_event(event: dict[str, Any]) -> None:
    """Observe training.

    ``event`` has "kind" ("start", "log", "checkpoint", "end"), "run" (the folder), "images", "seconds" and, for a log,
    "values". An observer that fails is switched off, which is logged, and never stops a run.
    """


@hookspec
def genkit_record(record: Record) -> None:
    """Observe each record of an evaluation after it was stored."""
