"""genkit interpolate"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.help import Command, option
from genkit.cli.options import device_option, runs_option, seed_option, trained_options, walk_options
from genkit.cli.trained import trained_run


@click.command(cls=Command)
@trained_options
@option(
    "-n",
    "--walks",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    section="Output",
    help="Rows of the grid.",
)
@walk_options("interpolation.png")
@seed_option
@device_option
@runs_option
def command(
    model: str | None,
    run_id: str | None,
    dataset: str | None,
    walks: int,
    steps: int,
    grid: Path,
    gif: Path | None,
    label: str | None,
    seed: int,
    device: str,
    root: Path,
) -> None:
    """Interpolate between samples in a model's latent space.

    \b
    genkit interpolate --model dcgan --gif walk.gif
    """
    from genkit.latent.api import interpolate

    run = trained_run(root, model, run_id, dataset)
    interpolate(run, walks, steps, label=label, grid=grid, gif=gif, seed=seed, device=device)
    for path in filter(None, (grid, gif)):
        click.echo(path)
