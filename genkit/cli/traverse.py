"""genkit traverse"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.data import data_root_option
from genkit.cli.help import Command, option
from genkit.cli.options import (
    device_option,
    no_metadata_option,
    runs_option,
    seed_option,
    trained_options,
    walk_options,
)
from genkit.cli.output import echo
from genkit.cli.parameters import NAMES
from genkit.cli.trained import data_of, run_with_data
from genkit.errors import UsageError


@click.command(cls=Command)
@trained_options
@data_root_option
@option(
    "-n",
    "--count",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    section="Output",
    help="Dimensions to show.",
)
@option("--dims", type=NAMES, section="Output", help="Show these dimensions instead, e.g. 0,3,7.")
@option(
    "--span",
    type=float,
    default=3.0,
    show_default=True,
    section="Output",
    help="Standard deviations of the prior to go each way.",
)
@walk_options("traversal.png")
@no_metadata_option
@seed_option
@device_option
@runs_option
def command(
    model: str | None,
    run_id: str | None,
    checkpoint: Path | None,
    dataset: str | None,
    data_root: Path | None,
    count: int,
    dims: list[str] | None,
    steps: int,
    span: float,
    grid: Path,
    gif: Path | None,
    label: str | None,
    no_metadata: bool,
    seed: int,
    device: str,
    root: Path,
) -> None:
    """Show what each latent dimension does: one row each, the others fixed.

    For a model with an encoder, the most used dimensions come first.
    """
    from genkit.latent.api import traverse

    run = run_with_data(root, model, run_id, dataset, checkpoint)
    found = traverse(
        checkpoint or run,
        count,
        steps,
        dims=None if dims is None else _numbers(dims),
        span=span,
        label=label,
        grid=grid,
        gif=gif,
        seed=seed,
        metadata=not no_metadata,
        device=device,
        dataset=data_of(run, dataset, data_root) if dims is None else None,
    )
    echo(f"dimensions from top to bottom: {', '.join(map(str, found.dims))}", err=True)
    for path in filter(None, (grid, gif)):
        echo(path)


def _numbers(dims: list[str]) -> list[int]:
    try:
        return [int(dim) for dim in dims]
    except ValueError as error:
        raise UsageError(f"--dims {','.join(dims)}: give numbers of dimensions, e.g. 0,3,7") from error
