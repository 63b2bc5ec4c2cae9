"""genkit edit"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genkit.cli.completions import complete_feature
from genkit.cli.data import data_root_option
from genkit.cli.drawing import drawing_options
from genkit.cli.help import Command, option
from genkit.cli.options import (
    FILE,
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
@click.argument("targets", nargs=-1, type=PATH)
@trained_options
@option("--mask", type=FILE, section="Degradation", help="Fill in where this image is black.")
@option(
    "--hole",
    type=click.Choice(["top", "bottom", "left", "right", "centre"]),
    section="Degradation",
    help="Fill in this half, or the centre.",
)
@option("--factor", type=click.IntRange(min=2), section="Degradation", help="Enlarge by this factor.")
@option(
    "--noise",
    type=click.FloatRange(min=0, min_open=True),
    section="Degradation",
    help="Standard deviation of the noise, pixels in [0, 1]; 0.1 by default.",
)
@option(
    "-n",
    "--count",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    section="Degradation",
    help="Without TARGETS: test images to degrade.",
)
@data_root_option
@option("--class", "label", metavar="CLASS", section="Search", help="Class of the targets, by name or number.")
@option(
    "--steps", type=click.IntRange(min=1), default=300, show_default=True, section="Search", help="Steps of a search."
)
@option(
    "--starts",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    section="Search",
    help="Searches per target; the best result is kept.",
)
@option(
    "--prior",
    type=float,
    default=1.0,
    show_default=True,
    section="Search",
    help="Weight of the latent's log-density.",
)
@option(
    "--perceptual",
    type=float,
    default=0.0,
    show_default=True,
    section="Search",
    help="Weight of the distance between features; needs --features.",
)
@option("--features", shell_complete=complete_feature, section="Search", help="Feature extractor of --perceptual.")
@option("--weights", type=FILE, section="Search", help="Weights file of the extractor.")
@drawing_options()
@option("--grid", type=PNG, default=Path("edited.png"), show_default=True, section="Output", help="Output image.")
@option("--out", type=FOLDER, section="Output", help="Also write single PNGs into this folder.")
@json_option
@no_metadata_option
@seed_option
@device_option
@runs_option
@click.pass_context
def command(
    ctx: click.Context,
    targets: tuple[Path, ...],
    model: str | None,
    run_id: str | None,
    checkpoint: Path | None,
    dataset: str | None,
    data_root: Path | None,
    mask: Path | None,
    hole: str | None,
    factor: int | None,
    noise: float | None,
    count: int,
    label: str | None,
    steps: int,
    starts: int,
    prior: float,
    perceptual: float,
    features: str | None,
    weights: Path | None,
    grid: Path,
    out: Path | None,
    sampling: dict[str, Any],
    as_json: bool,
    no_metadata: bool,
    seed: int,
    device: str,
    root: Path,
) -> None:
    """Fill in, enlarge or denoise images: find the model's image that is closest to what is given.

    Models that complete images, such as maskgit, draw what is missing; --class says of which class.

    TARGETS are files or folders of images, read as the run's data was. Without them, test images are degraded and
    restored, and shown above the originals.

    \b
    genkit edit --model vae hole.png --mask mask.png
    genkit edit --model dcgan --factor 2
    genkit edit --model conv-vae --noise 0.3
    genkit edit --model maskgit --hole bottom --class 3
    """
    from genkit.cli.progress import work_bar
    from genkit.latent.edits import check_edit, edit
    from genkit.latent.given import as_paths
    from genkit.models.base import capabilities
    from genkit.training.runs import model_class

    check_edit(as_paths(targets), mask=mask, hole=hole, factor=factor, noise=noise, out=out)
    run = run_with_data(root, model, run_id, dataset, checkpoint)
    if (mask or hole) and "complete" in capabilities(model_class(run.offer().qualified)):
        searching = ("steps", "starts", "prior", "perceptual", "features", "weights")
        refuse(ctx, searching, f"is of searches: {run.config.model} draws what is missing, with the options of -o")
    data = None if targets else data_of(run, dataset, data_root)
    with work_bar() as show:
        found = edit(
            checkpoint or run,
            targets,
            mask=mask,
            hole=hole,
            factor=factor,
            noise=noise,
            count=count,
            label=label,
            steps=steps,
            starts=starts,
            prior=prior,
            perceptual=perceptual,
            features=features,
            weights=weights,
            sampling=sampling,
            grid=grid,
            out=out,
            seed=seed,
            metadata=not no_metadata,
            device=device,
            dataset=data,
            progress=show,
        )
    echo_written(grid, out, found.sources, as_json=as_json)
