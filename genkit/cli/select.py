"""Choosing a trained run by model or by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.common import left_out
from genkit.errors import MissingError, UsageError, suggestion
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec

if TYPE_CHECKING:
    from genkit.models.base import GenerativeModel
    from genkit.training.runs import Run


def loaded(
    root: Path, model: str | None, run_id: str | None, dataset: str | None, device: str, *, raw: bool = False
) -> tuple[Run, GenerativeModel]:
    """Return the run named, or the newest finished one of a model, and its model on a device."""
    from genkit.devices import pick_device
    from genkit.training.runs import load

    run = trained_run(root, model, run_id, dataset)
    return run, load(run, raw=raw).to(pick_device(device))


def trained_run(root: Path, model: str | None, run_id: str | None, dataset: str | None = None) -> Run:
    """Return the run named, or the newest finished one of a model; which one, and what is partial, stderr says."""
    from genkit.training.runs import find_run, find_runs

    if (model is None) == (run_id is None):
        raise UsageError("name one of --model NAME and --run RUN")
    if run_id is not None:
        if dataset is not None:
            raise UsageError("--dataset goes with --model: a run has its own data set")
        run = find_run(root, run_id)
        if not run.finished:
            click.echo(f"run {run.path} is partial: its training has not used its whole budget", err=True)
        return run
    assert model is not None
    offer = registry().find(ModelSpec, model)
    mine: dict[str, Any] = {"model": offer.spec.name, "dist": offer.plugin.dist}
    finished = [run for run in find_runs(root, dataset=dataset, unreadable=left_out, **mine) if run.finished]
    if not finished:
        known = {run.config.dataset for run in find_runs(root, **mine)} if dataset is not None else set()
        on = f" on {dataset}" if dataset is not None else ""
        raise MissingError(
            f"there is no finished run of {model}{on} in {root}.{suggestion(dataset or '', known)}  "
            f"(genkit train --model {model} makes one)"
        )
    click.echo(f"run {finished[-1].path}, trained on {finished[-1].config.dataset}", err=True)
    return finished[-1]
