"""The run that ``genkit eval --model NAME`` means: the newest finished one, or the preset trained now."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from genkit.cli.common import left_out
from genkit.cli.opening import open_shown
from genkit.cli.progress import training_bar
from genkit.data import ImageDataset
from genkit.options import current_names, to_json
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec
from genkit.training.api import find_preset, resume, train
from genkit.training.runs import Run, find_runs, make_model


def newest_or_trained(
    model: str, dataset: str, how: dict[str, Any], device: str, root: Path
) -> tuple[Run, ImageDataset]:
    """Return the newest finished run of a model on a data set, and the data set under the name that the run has for it.

    Without such a run its preset is trained, or gone on with.
    """
    offer = registry().find(ModelSpec, model)
    data = open_shown(dataset, how)
    known = find_runs(root, model=offer.spec.name, dist=offer.plugin.dist, unreadable=left_out)
    runs = [run for run in known if run.config.dataset_sha256 == data.sha256]
    finished = [run for run in runs if run.finished]
    run = finished[-1] if finished else _trained(model, data, runs, how, device, root)
    return run, dataclasses.replace(data, name=run.config.dataset)


def _trained(model: str, data: ImageDataset, partial: list[Run], how: dict[str, Any], device: str, root: Path) -> Run:
    """Train a model's preset, or go on with a partial run of it."""
    chosen = find_preset(model, data.name)
    made = make_model(model, dict(chosen.options), data.info())
    options = to_json(made.options)
    for run in reversed(partial):
        if current_names(run.config.options) == options and run.config.images == chosen.images:
            click.echo(f"going on with the unfinished run {run.path}", err=True)
            with training_bar() as show:
                return resume(run, dataset=data, on_event=show)
    if partial:
        path = partial[-1].path
        click.echo(f"partial runs are left alone, such as {path} (genkit eval --run measures one)", err=True)
    budget = f"{chosen.images:,} images" if made.phases() else "closed form"
    click.echo(f"no trained {model} for {data.name} yet: training its preset ({budget})", err=True)
    with training_bar() as show:
        run = train(model, data, device=device, root=root, dataset_options=how, on_event=show)
    click.echo(f"  {run.path}  (sample grid: {run.path / 'samples.png'})", err=True)
    return run
