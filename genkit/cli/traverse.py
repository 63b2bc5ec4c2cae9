"""genkit traverse"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.common import (
    NAMES,
    data_root_option,
    device_option,
    runs_option,
    seed_option,
    trained_options,
    walk_options,
)
from genkit.errors import UsageError


@click.command()
@trained_options
@data_root_option
@click.option("-n", "--count", type=click.IntRange(min=1), default=10, show_default=True, help="Dimensions to show.")
@click.option("--dims", type=NAMES, help="These dimensions instead, as 0,3,7.")
@click.option("--span", type=float, default=3.0, show_default=True, help="Deviations of the prior to go each way.")
@walk_options("traversal.png")
@seed_option
@device_option
@runs_option
def command(
    model: str | None,
    run_id: str | None,
    dataset: str | None,
    data_root: Path | None,
    count: int,
    dims: list[str] | None,
    steps: int,
    span: float,
    grid: Path,
    gif: Path | None,
    label: int | None,
    seed: int,
    device: str,
    root: Path,
) -> None:
    """Show what each dimension of a latent does: one row each, the others held.

    Of a model that encodes, the dimensions that it uses most, the most used first.
    """
    from genkit.cli.select import loaded
    from genkit.latent.pictures import write_walks
    from genkit.latent.walks import most_used, traverse
    from genkit.training.api import open_run_dataset

    run, trained = loaded(root, model, run_id, dataset, device)
    if dims is not None:
        try:
            chosen = [int(dim) for dim in dims]
        except ValueError as error:
            raise UsageError(f"--dims {','.join(dims)} are not numbers of dimensions such as 0,3,7") from error
    else:
        chosen = most_used(trained, count, open_run_dataset(run, data_root=data_root).test)
    write_walks(traverse(trained, chosen, steps, span=span, seed=seed, label=label), grid, steps, gif)
    click.echo(f"dimensions from top to bottom: {', '.join(map(str, chosen))}", err=True)
    for path in filter(None, (grid, gif)):
        click.echo(path)
