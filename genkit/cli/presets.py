"""The run that ``genkit eval --model NAME`` means: the newest finished one, or the preset trained now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genkit.cli.opening import open_shown
from genkit.cli.progress import training_bar
from genkit.options import build, to_json
from genkit.registry import registry
from genkit.runs import Run, find_runs, model_class
from genkit.specs import ModelSpec
from genkit.training import preset, resume, train


def newest_or_trained(model: str, dataset: str, how: dict[str, Any], device: str, root: Path) -> Run:
    """Return the newest finished run of a model on a data set; without one, train its preset, or go on with it."""
    cls = model_class(model)
    offer = registry().find(ModelSpec, model)
    data = open_shown(dataset, how)
    known = find_runs(root, model=offer.spec.name, dist=offer.plugin.dist)
    runs = [run for run in known if run.config.dataset_sha256 == data.sha256]
    finished = [run for run in runs if run.finished]
    if finished:
        return finished[-1]
    chosen = preset(model, data.name)
    options = to_json(build(cls.Options, dict(chosen.options), model))
    for run in reversed(runs):
        if run.config.options == options and run.config.images == chosen.images:
            click.echo(f"going on with the unfinished run {run.path}", err=True)
            with training_bar() as show:
                return resume(run, dataset=data, on_event=show)
    if runs:
        click.echo(f"partial runs are left alone, such as {runs[-1].path} (genkit eval --run measures one)", err=True)
    budget = f"{chosen.images:,} images" if any_phases(cls) else "closed form"
    click.echo(f"no trained {model} for {data.name} yet: training its preset ({budget})", err=True)
    with training_bar() as show:
        run = train(model, data, device=device, root=root, opening=how, on_event=show)
    click.echo(f"  {run.path}  (sample grid: {run.path / 'samples.png'})", err=True)
    return run


def any_phases(cls: type[Any]) -> bool:
    """Whether a model class defines phases of its own."""
    from genkit.model import GenerativeModel

    return cls.phases is not GenerativeModel.phases
