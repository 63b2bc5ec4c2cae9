"""genkit interpolate"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.common import device_option, runs_option, seed_option, trained_options, walk_options


@click.command()
@trained_options
@click.option("-n", "--walks", type=click.IntRange(min=1), default=8, show_default=True, help="Rows of the grid.")
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
    label: int | None,
    seed: int,
    device: str,
    root: Path,
) -> None:
    """Walk from sample to sample through a model's latent space.

    \b
    genkit interpolate --model dcgan --gif walk.gif
    """
    from genkit.cli.select import loaded
    from genkit.latent.pictures import write_walks
    from genkit.latent.walks import interpolate

    _, trained = loaded(root, model, run_id, dataset, device)
    write_walks(interpolate(trained, walks, steps, seed=seed, label=label), grid, steps, gif)
    for path in filter(None, (grid, gif)):
        click.echo(path)
