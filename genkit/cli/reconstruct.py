"""genkit reconstruct"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.common import data_root_option, device_option, runs_option, trained_options


@click.command()
@trained_options
@data_root_option
@click.option("-n", "--count", type=click.IntRange(min=1), default=50, show_default=True)
@click.option(
    "--grid", type=click.Path(path_type=Path, dir_okay=False), default=Path("reconstructions.png"), show_default=True
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
    """Show test images, each with its reconstruction below it, in a PNG grid."""
    from genkit.cli.select import loaded
    from genkit.latent.pictures import write_reconstructions
    from genkit.training.api import open_run_dataset

    run, trained = loaded(root, model, run_id, dataset, device)
    write_reconstructions(trained, open_run_dataset(run, data_root=data_root).test, grid, count)
    click.echo(f"{grid}")
