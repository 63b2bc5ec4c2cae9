"""genkit interpolate"""

from __future__ import annotations

from pathlib import Path

import click

from genkit.cli.help import Command, option
from genkit.cli.options import (
    PATH,
    device_option,
    no_metadata_option,
    refuse,
    runs_option,
    seed_option,
    trained_options,
    walk_options,
)
from genkit.cli.output import echo
from genkit.cli.trained import trained_run
from genkit.errors import UsageError


@click.command(cls=Command)
@click.argument("images", metavar="[IMAGE]...", nargs=-1, type=PATH)
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
@option("--from", "begin", metavar="TEXT", help="A prompt that each row begins with, instead of images.")
@option("--to", "end", metavar="TEXT", multiple=True, help="The prompt that it leads to; more lead on.")
@walk_options("interpolation.png")
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
    walks: int,
    begin: str | None,
    end: tuple[str, ...],
    steps: int,
    grid: Path,
    gif: Path | None,
    label: str | None,
    no_metadata: bool,
    seed: int,
    device: str,
    root: Path,
) -> None:
    """Interpolate between samples in a model's latent space, from image to image, or from prompt to prompt.

    IMAGES are two files or more, or a folder: each row leads from one to the next.

    \b
    genkit interpolate --model dcgan --gif walk.gif
    genkit interpolate --model conv-vae A.png B.png
    genkit interpolate --model vq-gpt --from "a red 3" --to "a blue 8"
    """
    from genkit.latent.api import interpolate

    if images:
        refuse(ctx, ("walks",), "does not go with images: there is a row from each to the next")

    if (begin is None) != (not end):
        raise UsageError("a walk between prompts needs both --from TEXT and --to TEXT")
    run = trained_run(root, model, run_id, dataset, checkpoint)
    interpolate(
        checkpoint or run,
        walks,
        steps,
        images=images,
        prompts=() if begin is None else (begin, *end),
        label=label,
        grid=grid,
        gif=gif,
        seed=seed,
        device=device,
        metadata=not no_metadata,
    )
    for path in filter(None, (grid, gif)):
        echo(path)
