"""genkit eval"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.completions import complete_model, complete_run
from genkit.cli.data import MOVABLE, OPENING, dataset_options
from genkit.cli.drawing import drawing_options
from genkit.cli.evaluation import evaluation_options, interruptible, one_goes_on, part_options, show_evaluation
from genkit.cli.help import Command, option
from genkit.cli.options import (
    FILE,
    device_option,
    given,
    json_option,
    no_metadata_option,
    refuse,
    runs_option,
    same_runs,
)
from genkit.cli.output import echo, echo_json, echo_lines
from genkit.cli.parameters import metric_parameters, sweep_values
from genkit.cli.run_page import calibration_folder, concept_lines, parent_name, write_page
from genkit.cli.trained import data_of, find_finished, find_or_train, refuse_other_runs, run_of, say_partial
from genkit.errors import MissingError, UsageError

if TYPE_CHECKING:
    from genkit.data import ImageDataset
    from genkit.evaluation.config import EvalConfig
    from genkit.features.parts import Part
    from genkit.training.runs import Run

SHOWN = ("real test", "noise")
"""Calibration baselines shown with a model's scores in the terminal: floor and ceiling. The report page shows all."""


@click.command(cls=Command)
@option(
    "--model",
    shell_complete=complete_model,
    section="Model",
    help="Measure its newest finished run; trains one if there is none.",
)
@option(
    "--run",
    "run_id",
    metavar="RUN",
    shell_complete=complete_run,
    section="Model",
    help="Measure this run, by path or id.",
)
@option("--checkpoint", type=FILE, section="Model", help="Measure this checkpoint of a run.")
@option("--raw", is_flag=True, section="Model", help="Measure the raw weights, not their moving average.")
@drawing_options()
@option(
    "--sweep",
    "swept",
    multiple=True,
    metavar="NAME=V1,V2",
    section="Drawing",
    help="Measure at each of these values of an option of drawing; repeatable.",
)
@option("--samples", "samples_path", hidden=True, help="Moved: genkit compare SAMPLES REFERENCE.")
@option("--reference", hidden=True, help="Moved: genkit compare SAMPLES REFERENCE.")
@dataset_options
@evaluation_options("the data set's own")
@option(
    "-n",
    "--count",
    type=click.IntRange(min=2),
    default=5000,
    show_default=True,
    section="Evaluation",
    help="Samples to measure.",
)
@option(
    "-k",
    "--importance-samples",
    type=click.IntRange(min=1),
    metavar="K",
    section="Evaluation",
    help="Importance samples of nll; 64 by default.",
)
@option(
    "--milestones",
    is_flag=True,
    section="Evaluation",
    help="Also measure the run's milestones, with the first of --metrics only.",
)
@option(
    "--calibrate/--no-calibrate",
    default=True,
    show_default=True,
    section="Evaluation",
    help="Also evaluate the calibration baselines, once.",
)
@part_options
@no_metadata_option
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
    sampling: dict[str, Any],
    swept: tuple[str, ...],
    samples_path: str | None,
    reference: str | None,
    dataset: str,
    opening: dict[str, Any],
    metrics: list[str],
    features: list[str] | None,
    protocol: str,
    choices: tuple[str, ...],
    parameters: tuple[str, ...],
    importance_samples: int | None,
    weights: Path | None,
    count: int,
    seed: int,
    milestones: bool,
    calibrate: bool,
    part: Part | None,
    spool: Path | None,
    no_metadata: bool,
    device: str,
    root: Path,
    as_json: bool,
) -> None:
    """Evaluate a model on the data set it was trained on.

    \b
    genkit eval --model dcgan
    genkit eval --run 7f3a --metrics fid,kid -n 10000
    genkit eval --model dcgan --sweep truncation=0.5,0.75,1
    genkit eval --run 7f3a -n 50000 --part 3/8
    """
    from genkit.evaluation.config import EvalConfig
    from genkit.options import parse_assignments

    if samples_path is not None or reference is not None:
        paths = shlex.join([samples_path or "SAMPLES", reference or "REFERENCE"])
        raise UsageError(f"sets of images are compared by: genkit compare {paths} (the other options are the same)")
    if (model is None) == (run_id is None and checkpoint is None):
        raise UsageError("name one thing to measure: --model NAME, --run RUN or --checkpoint FILE")
    config = EvalConfig(
        metrics=metrics,
        features=features,
        protocol=protocol,
        parameters=_parameters(parameters, importance_samples),
        choices={key: str(value) for key, value in parse_assignments(choices).items()},
        weights=weights,
        count=count,
        seed=seed,
        device=device,
        metadata=not no_metadata,
    )
    if swept and sampling:
        raise UsageError("-o and --sweep: give a value that stays the same to --sweep too, such as --sweep guidance=2")
    if milestones and (swept or sampling):
        raise UsageError(
            "milestones are measured as the run draws by itself: leave --milestones out, or -o and --sweep"
        )
    if part is not None and (milestones or swept):
        raise UsageError("--milestones and --sweep are not divided: leave them out, or give no --part and no torchrun")
    values = sweep_values(swept)
    config.specs()  # a wrong name is said before a model may be trained
    if model is not None:
        _check_drawing(model, sampling, values)
        refuse_other_runs(model, root, given(ctx, "dataset", dataset), dataset)
        if part is None:
            run, data = find_or_train(model, dataset, opening, device, root)
        else:
            run, data = find_finished(model, dataset, opening, root)
    else:
        refuse(
            ctx,
            tuple(name for name in OPENING if name not in MOVABLE),
            "goes with --model; a run's data set is read as it was for training",
        )
        run = _named_run(run_id, checkpoint, root)
        data = data_of(run, given(ctx, "dataset", dataset), **{name: opening.get(name) for name in MOVABLE})
    if milestones and not run.milestones():
        raise MissingError(f"run {run.path} has no milestones: genkit train --milestones keeps them")
    if values:
        _sweep(run, data, config, checkpoint, raw, values, root, calibrate, as_json)
        return
    _evaluate(run, data, config, checkpoint, raw, sampling, part, spool, root, calibrate, as_json)
    if milestones:
        _evaluate_milestones(run, data, config, raw)


def _parameters(assignments: tuple[str, ...], importance_samples: int | None) -> dict[str, dict[str, Any]]:
    """Return the parameters of metrics, with --importance-samples."""
    more = [] if importance_samples is None else [f"nll.importance_samples={importance_samples}"]
    return metric_parameters([*assignments, *more])


def _check_drawing(model: str, sampling: dict[str, Any], swept: dict[str, list[Any]]) -> None:
    """Raise OptionsError for options that a model does not draw with, before it may be trained."""
    from genkit.models.drawing import check_drawing
    from genkit.training.runs import model_class

    for point in (sampling, *({name: value} for name, values in swept.items() for value in values)):
        check_drawing(model_class(model), point, model)


def _named_run(run_id: str | None, checkpoint: Path | None, root: Path) -> Run:
    """Return the named run, or the run that a checkpoint belongs to."""
    from genkit.training.runs import find_run

    if run_id is not None:
        return find_run(root, run_id)
    assert checkpoint is not None
    return run_of(checkpoint)


def _evaluate_milestones(run: Run, data: ImageDataset, config: EvalConfig, raw: bool) -> None:
    from genkit.cli.progress import work_bar
    from genkit.evaluation.evaluator import Evaluator
    from genkit.evaluation.milestones import measure_milestones

    with interruptible("the same command resumes with the remaining milestones"), work_bar() as show:
        done = measure_milestones(run, Evaluator(data, config, show), run.path, raw=raw)
    for images, score in done:
        echo(f"after {images:,} images: {score.name} {score.value:.4g}", err=True)


def _sweep(
    run: Run,
    data: ImageDataset,
    config: EvalConfig,
    checkpoint: Path | None,
    raw: bool,
    values: dict[str, list[Any]],
    root: Path,
    calibrate: bool,
    as_json: bool,
) -> None:
    """Measure a run at each point and print a row for each, or all records as JSON."""
    from genkit.cli.progress import work_bar
    from genkit.evaluation.calibration import calibrate as measure_calibration
    from genkit.evaluation.evaluator import Evaluator
    from genkit.evaluation.sweep import sweep
    from genkit.report.text import sweep_table
    from genkit.results.records import to_json

    with work_bar() as show:
        evaluator = Evaluator(data, config, show)
        with interruptible("the same command goes on with the remaining points"):
            done = sweep(run, values, evaluator=evaluator, checkpoint=checkpoint, raw=raw)
        if calibrate:
            with interruptible("the points are kept; the calibration baselines are not measured yet"):
                measure_calibration(evaluator, calibration_folder(run, root))
    shown = next((each.record for each in done if each.record.at_own_point), done[0].record)
    page, _ = write_page(run, shown, root)
    if not shown.training or not shown.training.finished:
        say_partial(run)
    if as_json:
        echo_json([{**json.loads(to_json(each.record)), "path": str(each.path), "report": page} for each in done])
        return
    echo(f"{run.config.dataset_slug} · {run.config.model} · {config.count:,} samples a point")
    echo_lines(sweep_table([each.record for each in done], list(values)))
    echo("* the run's own options, which boards rank")
    echo(f"report {page or '-'}     next: genkit leaderboard --html board.html{same_runs(run)}")


def _evaluate(
    run: Run,
    data: ImageDataset,
    config: EvalConfig,
    checkpoint: Path | None,
    raw: bool,
    sampling: dict[str, Any],
    part: Part | None,
    spool: Path | None,
    root: Path,
    calibrate: bool,
    as_json: bool,
) -> None:
    from genkit.cli.progress import work_bar
    from genkit.evaluation.calibration import calibrate as measure_calibration
    from genkit.evaluation.evaluate import evaluate
    from genkit.evaluation.evaluator import Evaluator

    options: dict[str, Any] = {"checkpoint": checkpoint, "raw": raw, "sampling": sampling, "part": part, "spool": spool}
    with work_bar() as show:
        evaluator = Evaluator(data, config, show)
        with one_goes_on(as_json), interruptible():
            done = evaluate(run, evaluator=evaluator, **options)
        if calibrate:
            with interruptible(f"record {done.path} is kept; the calibration baselines are not measured yet"):
                measure_calibration(evaluator, calibration_folder(run, root))
    page, baselines = write_page(run, done.record, root)
    if not done.record.training or not done.record.training.finished:
        say_partial(run)
    parent = parent_name(run)
    show_evaluation(done, as_json, page, {name: baselines[name] for name in (parent, *SHOWN) if name in baselines})
    if parent and parent not in baselines:
        echo(
            f"measure the parent in the same way to see what was lost: genkit eval --run {parent.split()[1]}", err=True
        )
    if not as_json:
        for line in concept_lines(done):
            echo(line)
        echo(f"report {page or '-'}")
        echo(f"record {done.path}     next: genkit leaderboard{same_runs(run)}")
