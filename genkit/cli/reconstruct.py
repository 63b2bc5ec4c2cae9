"""genkit reconstruct"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.data import data_root_option
from genkit.cli.help import Command, option
from genkit.cli.options import (
    FOLDER,
    PATH,
    PNG,
    device_option,
    json_option,
    no_metadata_option,
    refuse,
    runs_option,
    seed_option,
    trained_options,
)
from genkit.cli.output import echo_written
from genkit.cli.trained import data_of, run_with_data


@click.command(cls=Command)
@click.argument("images", metavar="[IMAGE]...", nargs=-1, type=PATH)
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
    "--grid", type=PNG, default=Path("reconstructions.png"), show_default=True, section="Output", help="Output image."
)
@option("--out", type=FOLDER, section="Output", help="Also write single PNGs into this folder, named as their sources.")
@json_option
@no_metadata_option
@seed_option
@device_option
@runs_option
@click.pass_context
def command(
    ctx: click.Context,
    images: tuple[Path, ...],
    model: str | None,
    run_id: str | None,
    checkpoint: Path | None,
    dataset: str | None,
    data_root: Path | None,
    count: int,
    grid: Path,
    out: Path | None,
    as_json: bool,
    no_metadata: bool,
    seed: int,
    device: str,
    root: Path,
) -> None:
    """Write a grid of images, each with its reconstruction below it: of IMAGES, files or folders, or of test images.

    IMAGES are read as the run's data was: resized, cropped, grey or in colour. Test images are drawn by the seed, of
    all classes in turn.

    \b
    genkit reconstruct --model conv-vae
    genkit reconstruct --model conv-vae photo.jpg photos/ --out again --json
    """
    from genkit.latent.api import reconstruct

    if images:
        refuse(ctx, ("count",), "does not go with images: all of them are reconstructed")

    run = run_with_data(root, model, run_id, dataset, checkpoint)
    data = None if images else data_of(run, dataset, data_root)
    found = reconstruct(
        checkpoint or run,
        count,
        images=images,
        grid=grid,
        out=out,
        seed=seed,
        device=device,
        metadata=not no_metadata,
        dataset=data,
    )
    echo_written(grid, out, found.sources, as_json=as_json)
