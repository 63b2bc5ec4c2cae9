"""Shell completion of names, runs and data sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from genkit.errors import one_line
from genkit.registry.discovery import registry
from genkit.registry.specs import DatasetSpec, FeatureSpec, MetricSpec, ModelSpec, Spec, TrackerSpec


def _item(name: str, about: str | None = None) -> CompletionItem:
    """Return what is offered on one line, as it is printed elsewhere; ``existing`` reads shown paths back."""
    return CompletionItem(one_line(name), help=about and one_line(about))


def complete(kind: type[Spec]) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return a function that completes the registry's names of one kind."""

    def names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        offers = registry().offers(kind)
        return [_item(o.spec.name, o.spec.summary) for o in offers if o.spec.name.startswith(incomplete)]

    return names


complete_model = complete(ModelSpec)
complete_dataset = complete(DatasetSpec)
complete_feature = complete(FeatureSpec)
complete_metric = complete(MetricSpec)
complete_tracker = complete(TrackerSpec)


def _run_folders(ctx: click.Context) -> Iterator[Path]:
    root = ctx.params.get("root") or Path(os.environ.get("GENKIT_RUNS", "runs"))
    return (file.parent for file in Path(root).glob("*/*/*/run.json"))


def complete_run(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a run's id, or its path if a path is begun; reads no file, so it is quick."""
    names = {str(folder) if os.sep in incomplete else folder.name: str(folder) for folder in _run_folders(ctx)}
    return [_item(name, path) for name, path in sorted(names.items()) if name.startswith(incomplete)]


def complete_measured(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a data set that some run was trained on."""
    names = sorted({folder.parent.parent.name for folder in _run_folders(ctx)})
    return [_item(name) for name in names if name.startswith(incomplete)]
