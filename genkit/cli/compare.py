"""genkit compare"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.data import open_images, opening_options
from genkit.cli.evaluation import evaluation_options, interruptible, one_goes_on, part_options, show_evaluation
from genkit.cli.help import Command, option
from genkit.cli.options import FILE, device_option, json_option, runs_option, same_runs
from genkit.cli.output import echo
from genkit.cli.parameters import metric_parameters
from genkit.errors import UsageError

if TYPE_CHECKING:
    from genkit.data import ImageDataset
    from genkit.features.parts import Part
    from genkit.results.records import Record


@click.command(cls=Command)
@click.argument("samples")
@click.argument("reference")
@opening_options
@evaluation_options("the reference's own, else inception")
@option("-n", "--count", type=click.IntRange(min=2), section="Evaluation", help="Samples to measure; all by default.")
@option(
    "--verify",
    "verified",
    is_flag=True,
    section="Evaluation",
    help="Also check the numbers against torch-fidelity and torchmetrics.",
)
@option("--paired", is_flag=True, section="Evaluation", help="Compare each image with its truth, by name or order.")
@option(
    "--save-stats",
    type=FILE,
    section="Evaluation",
    help="Write the statistics of REFERENCE's features, mu and sigma, to this .npz file.",
)
@part_options
@device_option
@runs_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    samples: str,
    reference: str,
    opening: dict[str, Any],
    metrics: list[str],
    features: list[str] | None,
    protocol: str,
    choices: tuple[str, ...],
    parameters: tuple[str, ...],
    weights: Path | None,
    seed: int,
    device: str,
    count: int | None,
    verified: bool,
    paired: bool,
    save_stats: Path | None,
    part: Part | None,
    spool: Path | None,
    root: Path,
    as_json: bool,
) -> None:
    """Compare two sets of images, whatever made them.

    SAMPLES and REFERENCE are folders, zips, npz files or data sets. Either may be statistics, an npz file of mu and
    sigma; with --features given both are files of features.

    \b
    genkit compare out/ photos/
    genkit compare out/ digits --size 8 --grey
    genkit compare out/ photos.zip --features inception --protocol clean-fid
    genkit compare out/ statistics.npz
    genkit compare restored/ truths/ --paired
    genkit compare out/ photos/ --part 3/8
    """
    from genkit.cli.progress import work_bar
    from genkit.data import ImageDataset
    from genkit.evaluation.arrays import reference_slug
    from genkit.evaluation.compare import WHOLE, compare, open_side
    from genkit.evaluation.config import EvalConfig
    from genkit.evaluation.verify import verify_record
    from genkit.features.given import GIVEN
    from genkit.files.text import existing
    from genkit.options import parse_assignments

    config = EvalConfig(
        metrics=metrics,
        features=features,
        protocol=protocol,
        choices={key: str(value) for key, value in parse_assignments(choices).items()},
        parameters=metric_parameters(parameters),
        weights=weights,
        count=count or WHOLE,
        seed=seed,
        device=device,
    )
    given = config.extractors == [GIVEN]
    samples, reference = existing(samples), existing(reference)
    opening = {**opening, **config.protocol_preset.opening}
    images, against = (
        each if given else open_side(each, each, lambda name: open_images(name, opening))
        for each in (samples, reference)
    )
    if verified and (paired or not all(isinstance(each, ImageDataset) for each in (images, against))):
        raise UsageError("--verify computes the numbers of two sets of images again: leave it out here")
    origin = {
        "samples": getattr(images, "name", samples),
        "reference": getattr(against, "name", reference),
        "opening": {
            key: str(value) if isinstance(value, Path) else value
            for key, value in opening.items()
            if key != "pack"  # which changes nothing that is measured
        },
    }
    slug = reference_slug(against)
    folder = root / slug / "images"
    with interruptible(), work_bar() as show:
        with one_goes_on(as_json):
            done = compare(
                images,
                against,
                config,
                paired=paired,
                save_stats=save_stats,
                name=samples,
                origin=origin,
                folder=folder,
                progress=show,
                part=part,
                spool=spool,
            )
        found = verify_record(done.record, weights=weights, device=device, progress=show) if verified else None
    show_evaluation(done, as_json, verification=found)
    if isinstance(images, ImageDataset) and isinstance(against, ImageDataset):
        _note_shapes(images, against, done.record)
    if not as_json:
        echo(f"record {done.path}     next: genkit leaderboard --dataset {slug}{same_runs()}")
    if found is not None and not found.ok:
        ctx.exit(1)


def _note_shapes(samples: ImageDataset, reference: ImageDataset, record: Record) -> None:
    """If the sets have different shapes, say so on stderr, with what each extractor does about it."""
    shapes = [each.info().shape for each in (samples, reference)]
    if shapes[0] == shapes[1]:
        return
    one, other = ("x".join(map(str, shape)) for shape in shapes)
    every = [score.choices for score in record.scores if "features.extractor" in score.choices]
    resizes = {choices["features.extractor"]: choices.get("features.resize", "none") for choices in every}
    notes = [f"{name} {'keeps sizes' if how == 'none' else f'resizes ({how})'}" for name, how in resizes.items()]
    grey = "" if shapes[0][0] == shapes[1][0] else ", grey read as three equal channels"
    echo(
        f"{samples.name} is {one} and {reference.name} {other} (channels x height x width){grey}: {', '.join(notes)}",
        err=True,
    )
