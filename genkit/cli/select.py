"""Choosing a trained run by model or by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from genkit.errors import MissingError, UsageError
from genkit.registry import registry
from genkit.specs import ModelSpec

if TYPE_CHECKING:
    from genkit.runs import Run


def trained_run(root: Path, model: str | None, run_id: str | None, dataset: str | None = None) -> Run:
    """Return the run named, or the newest finished one of a model; a partial one is said to be partial."""
    from genkit.runs import find_run, find_runs

    if (model is None) == (run_id is None):
        raise UsageError("name one of --model NAME and --run RUN")
    if run_id is not None:
        run = find_run(root, run_id)
        if not run.finished:
            click.echo(f"run {run.path} is partial: its training has not used its whole budget", err=True)
        return run
    assert model is not None
    offer = registry().find(ModelSpec, model)
    known = find_runs(root, model=offer.spec.name, dist=offer.plugin.dist, dataset=dataset)
    finished = [run for run in known if run.finished]
    if not finished:
        raise MissingError(f"there is no finished run of {model} in {root}: genkit train --model {model}")
    return finished[-1]
