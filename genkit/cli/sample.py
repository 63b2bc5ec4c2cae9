"""genkit sample"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.common import data_root_option, device_option, runs_option, seed_option, trained_options
from genkit.errors import UsageError


@click.command()
@trained_options
@data_root_option
@click.option("-n", "--count", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--grid", type=click.Path(path_type=Path, dir_okay=False), default=Path("samples.png"), show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write single PNGs and labels.csv here instead."
)
@click.option("--class", "label", type=click.IntRange(min=0), help="Draw this class (conditional models).")
@click.option("--labelled", is_flag=True, help="With --out: a folder for each class, as a labelled data set.")
@click.option("--raw", is_flag=True, help="Draw from the raw weights, not their moving average.")
@seed_option
@device_option
@runs_option
def command(
    model: str | None,
    run_id: str | None,
    dataset: str | None,
    data_root: Path | None,
    count: int,
    grid: Path,
    out: Path | None,
    label: int | None,
    labelled: bool,
    raw: bool,
    seed: int,
    device: str,
    root: Path,
) -> None:
    """Draw images from a trained model: a PNG grid, or a folder of images with --out.

    \b
    genkit sample --model dcgan
    genkit sample --model cgan --labelled --out more -n 5000    # a data set for augmentation; genkit eval has its cas
    """
    from genkit.cli.progress import work_bar
    from genkit.cli.select import loaded
    from genkit.latent.pictures import write_grid, write_images
    from genkit.training.api import open_run_dataset

    if labelled and out is None:
        raise UsageError("--labelled goes with --out: it writes a folder for each class")
    run, drawn = loaded(root, model, run_id, dataset, device, raw=raw)
    if out is not None:
        classes = open_run_dataset(run, data_root=data_root).classes if labelled else ()
        with work_bar() as show:
            write_images(drawn, out, count, seed=seed, label=label, classes=classes, progress=show)
        click.echo(f"{out}")
    else:
        write_grid(drawn, grid, count, seed=seed, label=label)
        click.echo(f"{grid}")
