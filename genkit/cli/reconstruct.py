"""genkit reconstruct"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.common import (
    complete_measured,
    complete_model,
    complete_run,
    data_root_option,
    device_option,
    runs_option,
)


@click.command()
@click.option("--model", shell_complete=complete_model, help="Use its newest finished run.")
@click.option("--run", "run_id", metavar="RUN", shell_complete=complete_run, help="Use this run: its path or id.")
@click.option("--dataset", shell_complete=complete_measured, help="With --model: the data set it was trained on.")
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
    from genkit.cli.select import trained_run
    from genkit.drawing import write_reconstructions
    from genkit.runs import load
    from genkit.training import open_run_dataset, pick_device

    run = trained_run(root, model, run_id, dataset)
    data = open_run_dataset(run, data_root=data_root)
    write_reconstructions(load(run).to(pick_device(device)), data.test, grid, count)
    click.echo(f"{grid}")
