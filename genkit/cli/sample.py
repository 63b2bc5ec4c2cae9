"""genkit sample"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.common import complete_measured, complete_model, complete_run, device_option, runs_option, seed_option


@click.command()
@click.option("--model", shell_complete=complete_model, help="Draw from its newest finished run.")
@click.option("--run", "run_id", metavar="RUN", shell_complete=complete_run, help="Draw from this run: its path or id.")
@click.option("--dataset", shell_complete=complete_measured, help="With --model: the data set it was trained on.")
@click.option("-n", "--count", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--grid", type=click.Path(path_type=Path, dir_okay=False), default=Path("samples.png"), show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write single PNGs and labels.csv here instead."
)
@click.option("--class", "label", type=click.IntRange(min=0), help="Draw this class (conditional models).")
@click.option("--raw", is_flag=True, help="Draw from the raw weights, not their moving average.")
@seed_option
@device_option
@runs_option
def command(
    model: str | None,
    run_id: str | None,
    dataset: str | None,
    count: int,
    grid: Path,
    out: Path | None,
    label: int | None,
    raw: bool,
    seed: int,
    device: str,
    root: Path,
) -> None:
    """Draw images from a trained model: a PNG grid, or a folder of images with --out."""
    from genkit.cli.progress import work_bar
    from genkit.cli.select import trained_run
    from genkit.drawing import write_grid, write_images
    from genkit.runs import load
    from genkit.training import pick_device

    run = trained_run(root, model, run_id, dataset)
    drawn = load(run, raw=raw).to(pick_device(device))
    if out is not None:
        with work_bar() as show:
            write_images(drawn, out, count, seed=seed, label=label, progress=show)
        click.echo(f"{out}")
    else:
        write_grid(drawn, grid, count, seed=seed, label=label)
        click.echo(f"{grid}")
