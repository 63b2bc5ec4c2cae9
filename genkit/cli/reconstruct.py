"""genkit reconstruct"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.data import data_root_option
from genkit.cli.help import Command, option
from genkit.cli.options import FILE, device_option, runs_option, trained_options
from genkit.cli.trained import data_of, run_with_data


@click.command(cls=Command)
@trained_options
@data_root_option
@option(
    "-n",
    "--count",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    section="Output",
    help="Test images to show.",
)
@option(
    "--grid", type=FILE, default=Path("reconstructions.png"), show_default=True, section="Output", help="Output image."
)
@device_option
@runs_option
def command(
    model: str | None,
    run_id: str | None,
    dataset: str | None,
    data_root: Path | None,
    count: int,
    grid: Path,
    device: str,
    root: Path,
) -> None:
    """Write a grid of test images, each with its reconstruction below it."""
    from genkit.latent.api import reconstruct

    run = run_with_data(root, model, run_id, dataset)
    reconstruct(run, count, grid=grid, device=device, dataset=data_of(run, dataset, data_root))
    click.echo(grid)
