"""genkit eval"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from genkit.cli.common import (
    NAMES,
    complete_feature,
    complete_metric,
    complete_model,
    complete_run,
    dataset_options,
    device_option,
    echo_json,
    json_option,
    opening,
    refuse,
    runs_option,
)
from genkit.errors import Interrupted, MissingError, UsageError
from genkit.results.protocols import PRESETS

if TYPE_CHECKING:
    from genkit.data import ImageDataset
    from genkit.evaluation.evaluate import Evaluation
    from genkit.evaluation.measuring import Measuring
    from genkit.report.text import Beside
    from genkit.results.records import Record
    from genkit.training.runs import Run


BESIDE = ("real test", "noise")
"""What stands beside a model's scores in the terminal: floor and ceiling. The page has all that calibrates it."""

REFERENCES = {"train": "the training images", "all": "all images"}


@click.command()
@click.option(
    "--model", shell_complete=complete_model, help="Measure its newest finished run; trains one if there is none."
)
@click.option("--run", "run_id", metavar="RUN", shell_complete=complete_run, help="Measure this run: its path or id.")
@click.option("--checkpoint", type=click.Path(path_type=Path, dir_okay=False), help="Measure this checkpoint of a run.")
@click.option("--raw", is_flag=True, help="Measure the raw weights, not their moving average.")
@click.option(
    "--samples", "samples_path", metavar="IMAGES", help="Measure these images instead of a model: a folder, zip or npz."
)
@click.option("--reference", metavar="IMAGES|DATASET", help="With --samples: what they are compared with.")
@dataset_options()
@click.option(
    "--metrics",
    type=NAMES,
    default="all",
    show_default=True,
    shell_complete=complete_metric,
    help="Comma-separated names.",
)
@click.option(
    "--features",
    type=NAMES,
    shell_complete=complete_feature,
    help="Feature extractors, comma-separated; by default the data's own, or inception for images without.",
)
@click.option(
    "--protocol", type=click.Choice(list(PRESETS)), default="genkit", show_default=True, help="Whose number to give."
)
@click.option(
    "-c",
    "--choice",
    "choices",
    multiple=True,
    metavar="KEY=VALUE",
    help="A choice of the extractor, as resize=bilinear; repeatable.",
)
@click.option("-k", "--importance-samples", type=click.IntRange(min=1), help="K of nll; 64 by default.")
@click.option("--weights", type=click.Path(path_type=Path, dir_okay=False), help="The extractor's weights file.")
@click.option(
    "-n",
    "--count",
    type=click.IntRange(min=2),
    default=5000,
    show_default="5000; of --samples all",
    help="Samples to measure.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Evaluation seed.")
@click.option("--milestones", is_flag=True, help="Also measure the run's milestones, by the first metric.")
@click.option("--calibrate/--no-calibrate", default=True, help="Also measure what boards are read against, once.")
@device_option
@runs_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    model: str | None,
    run_id: str | None,
    checkpoint: Path | None,
    raw: bool,
    samples_path: str | None,
    reference: str | None,
    dataset: str,
    data_root: Path | None,
    size: int | None,
    crop: str | None,
    skip_bad: bool,
    grey: bool,
    metrics: list[str],
    features: list[str] | None,
    protocol: str,
    choices: tuple[str, ...],
    importance_samples: int | None,
    weights: Path | None,
    count: int,
    seed: int,
    milestones: bool,
    calibrate: bool,
    device: str,
    root: Path,
    as_json: bool,
) -> None:
    """Measure a model, or any two sets of images.

    \b
    genkit eval --model dcgan
    genkit eval --run 7f3a --metrics fid,kid -n 10000
    genkit eval --samples out/ --reference folder:photos --features inception
    """
    from genkit.evaluation.measuring import Measuring
    from genkit.options import parse_assignments

    if sum(given is not None for given in (model, run_id or checkpoint, samples_path)) != 1:
        raise UsageError("name one thing to measure: --model NAME, --run RUN, --checkpoint FILE or --samples IMAGES")
    measuring = Measuring(
        metrics=metrics,
        features=features,
        protocol=protocol,
        parameters={"nll": {"importance_samples": importance_samples}} if importance_samples else {},
        choices={key: str(value) for key, value in parse_assignments(choices).items()},
        weights=weights,
        count=count,
        seed=seed,
        device=device,
    )
    if samples_path is not None:
        refuse(ctx, ("dataset", "raw", "milestones"), "goes with a model; --samples are compared with --reference")
        how = opening(data_root, size, crop, skip_bad, grey)
        given = ctx.get_parameter_source("count") is not ParameterSource.DEFAULT
        _images(samples_path, reference, measuring, how, root, as_json, limit=count if given else None)
        return
    if reference is not None:
        raise UsageError("--reference goes with --samples; a model is compared with the data set it was trained on")
    if model is not None:
        from genkit.cli.presets import newest_or_trained

        how = opening(data_root, size, crop, skip_bad, grey)
        run, data = newest_or_trained(model, dataset, how, device, root)
    else:
        from genkit.training.api import open_run_dataset

        refuse(
            ctx,
            ("dataset", "size", "crop", "skip_bad", "grey"),
            "goes with --model; a run is measured on its own data set",
        )
        run = _named_run(run_id, checkpoint, root)
        data = open_run_dataset(run, data_root=data_root)
    if milestones and not run.milestones():
        raise MissingError(f"run {run.path} has no milestones: genkit train --milestones keeps them")
    _model(run, data, measuring, checkpoint, raw, root, calibrate, as_json)
    if milestones:
        _milestones(run, data, measuring, raw)


def _named_run(run_id: str | None, checkpoint: Path | None, root: Path) -> Run:
    """Return the run named, or the one in whose folder a checkpoint lies."""
    from genkit.training.runs import find_run, open_run

    if run_id is not None:
        return find_run(root, run_id)
    assert checkpoint is not None
    if not checkpoint.is_file():
        raise MissingError(f"there is no checkpoint {checkpoint}")
    folder = checkpoint.resolve().parent
    if folder.name != "checkpoints" or not (folder.parent / "run.json").is_file():
        raise UsageError(f"{checkpoint} belongs to no run: a checkpoint is measured in its run's checkpoints folder")
    return open_run(folder.parent)


def _milestones(run: Run, data: ImageDataset, measuring: Measuring, raw: bool) -> None:
    from genkit.cli.progress import work_bar
    from genkit.evaluation.evaluator import Evaluator
    from genkit.evaluation.milestones import measure_milestones

    with _going_on("the same command goes on with the milestones left"), work_bar() as show:
        done = measure_milestones(run, Evaluator(data, measuring, show), run.path, raw=raw)
    for images, score in done:
        click.echo(f"after {images:,} images: {score.name} {score.value:.4g}", err=True)


def _model(
    run: Run,
    data: ImageDataset,
    measuring: Measuring,
    checkpoint: Path | None,
    raw: bool,
    root: Path,
    calibrate: bool,
    as_json: bool,
) -> None:
    from genkit.cli.progress import work_bar
    from genkit.evaluation.calibration import calibrate as measure_calibration
    from genkit.evaluation.calibration import calibration
    from genkit.evaluation.evaluate import evaluate
    from genkit.evaluation.evaluator import Evaluator
    from genkit.paths import write_atomic
    from genkit.report.html import run_page

    place = root / run.config.dataset_slug / "calibration"
    with work_bar() as show:
        evaluator = Evaluator(data, measuring, show)
        with _going_on():
            done = evaluate(run, evaluator=evaluator, checkpoint=checkpoint, raw=raw)
        if calibrate:
            with _going_on(f"record {done.path} is kept; what calibrates it is not measured yet"):
                measure_calibration(evaluator, place)
    own = {score.fingerprint for score in done.record.scores}
    beside = {name: known for name, known in calibration(place).items() if own & set(known)}
    page = run.path / "report.html"
    write_atomic(page, run_page(done.record, run.path, beside).encode())
    if not done.record.training or not done.record.training.finished:
        click.echo(f"run {run.path} is partial: its training has not used its whole budget", err=True)
    _show(done, as_json, str(page), {name: beside[name] for name in BESIDE if name in beside})
    if not as_json:
        click.echo(f"report {page}\nrecord {done.path}     next: genkit leaderboard")


@contextlib.contextmanager
def _going_on(then: str = "the same command goes on with what was seen so far") -> Iterator[None]:
    """Say after Ctrl-C what is not lost."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; {then}") from None


def _images(
    samples: str,
    reference: str | None,
    measuring: Measuring,
    how: dict[str, Any],
    root: Path,
    as_json: bool,
    limit: int | None,
) -> None:
    import dataclasses

    from genkit.cli.opening import images_shown
    from genkit.cli.progress import work_bar
    from genkit.evaluation.evaluate import evaluate_images

    if reference is None:
        raise UsageError("--samples wants --reference: a folder of images or a data set to compare with")
    measured = images_shown(samples, how)
    against = images_shown(reference, how)
    with _going_on(), work_bar() as show:
        measuring = dataclasses.replace(measuring, count=limit or max(2, len(measured.everything())))
        folder = root / against.slug / "images"
        origin = {
            "samples": measured.name,
            "reference": against.name,
            "opening": {key: str(value) if isinstance(value, Path) else value for key, value in how.items()},
        }
        done = evaluate_images(measured, against, measuring, name=samples, origin=origin, folder=folder, progress=show)
    _show(done, as_json, None)
    _say_shapes(measured, against, done.record)
    if not as_json:
        click.echo(f"record {done.path}     next: genkit leaderboard --dataset {against.slug}")


def _say_shapes(samples: ImageDataset, reference: ImageDataset, record: Record) -> None:
    """Say on stderr that images of two shapes were compared, and how."""
    shapes = [each.info().shape for each in (samples, reference)]
    if shapes[0] == shapes[1]:
        return
    one, other = ("x".join(map(str, shape)) for shape in shapes)
    every = [score.choices for score in record.scores if "features.extractor" in score.choices]
    seen = {each["features.extractor"]: each.get("features.resize", "none") for each in every}
    how = [f"{name} {'keeps sizes' if size == 'none' else f'resizes ({size})'}" for name, size in seen.items()]
    grey = "" if shapes[0][0] == shapes[1][0] else ", grey seen as three equal channels"
    click.echo(
        f"{samples.name} is {one} and {reference.name} {other} (channels x height x width){grey}: {', '.join(how)}",
        err=True,
    )


def _show(done: Evaluation, as_json: bool, page: str | None, beside: Beside | None = None) -> None:
    from genkit.report.text import scores
    from genkit.results.records import to_json

    record = done.record
    if as_json:
        import json

        echo_json({**json.loads(to_json(record)), "path": str(done.path), "report": page})
        return
    samples, features = record.protocol["samples"], record.protocol["features"]
    reference = record.protocol["data"]["reference"]
    seen_by = f" · features {features['extractor']}" if features else ""
    click.echo(
        f"{record.dataset} · {record.subject.name} · {samples['count']:,} samples against {REFERENCES[reference]}"
        f"{seen_by}"
    )
    click.echo(scores(record, beside))
