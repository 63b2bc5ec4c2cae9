"""What ``genkit eval`` and ``genkit compare`` share: options, the table of scores, the message after Ctrl-C."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import click

from genkit.cli.completions import complete_feature, complete_metric
from genkit.cli.help import F, option, options
from genkit.cli.options import FILE, FOLDER
from genkit.cli.output import echo, echo_json, echo_lines
from genkit.cli.parameters import NAMES
from genkit.cli.ranks import first_speaks, is_first
from genkit.errors import Interrupted, UsageError
from genkit.files.guard import by_user
from genkit.results.protocols import PROTOCOLS

if TYPE_CHECKING:
    from genkit.evaluation.evaluate import Evaluation
    from genkit.evaluation.verify import Verification
    from genkit.report.text import Calibration

REFERENCES = {"train": "the training images", "all": "all images", "paired": "their truths"}


def evaluation_options(default_features: str) -> Callable[[F], F]:
    """Add the options of an evaluation; ``default_features`` says in words which extractors are the default."""
    section = "Evaluation"
    return options(
        option(
            "--metrics",
            type=NAMES,
            default="all",
            show_default=True,
            shell_complete=complete_metric,
            section=section,
            help="Metrics, comma-separated.",
        ),
        option(
            "--features",
            type=NAMES,
            shell_complete=complete_feature,
            section=section,
            help=f"Feature extractors, comma-separated; default: {default_features}.",
        ),
        option(
            "--protocol",
            type=click.Choice(list(PROTOCOLS)),
            metavar="NAME",
            default="genkit",
            show_default=True,
            section=section,
            help=f"Reproduce this package's protocol: {', '.join(PROTOCOLS)}.",
        ),
        option(
            "-c",
            "--choice",
            "choices",
            multiple=True,
            metavar="KEY=VALUE",
            section=section,
            help="Setting of the extractor, e.g. resize=bilinear; repeatable.",
        ),
        option(
            "-p",
            "--parameter",
            "parameters",
            multiple=True,
            metavar="METRIC.NAME=VALUE",
            section=section,
            help="Parameter of a metric, e.g. kid.subsets=50; genkit metrics NAME lists them; repeatable.",
        ),
        option("--weights", type=FILE, section=section, help="Weights file of the extractor."),
        option(
            "--seed",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            section=section,
            help="Seed of the evaluation.",
        ),
    )


@contextlib.contextmanager
def interruptible(message: str = "the same command resumes where it stopped") -> Iterator[None]:
    """After Ctrl-C, say what is kept."""
    try:
        yield
    except KeyboardInterrupt as error:
        if not by_user(error):
            raise
        raise Interrupted(f"stopped; {message}") from None


def part_options(function: F) -> F:
    """Add --part and --spool; the command gets the part as ``part``.

    Under torchrun that is its process's: the first process alone prints, see ``one_goes_on``.
    """

    @functools.wraps(function)
    def chosen(*arguments: Any, part: str | None, **keywords: Any) -> Any:
        from genkit.features.parts import Part

        with first_speaks():
            launched = Part.launched()
            if part is not None and launched is not None:
                raise UsageError("torchrun numbers the parts by itself: leave --part out")
            return function(*arguments, part=launched if part is None else Part.named(part), **keywords)

    return options(
        option(
            "--part",
            metavar="I/N",
            section="Parts",
            help="Do part I of N, on any machine that sees the folder of runs; the last one done writes the record.",
        ),
        option("--spool", type=FOLDER, section="Parts", help="Folder in which the parts meet; default: by the record."),
    )(cast("F", chosen))


@contextlib.contextmanager
def one_goes_on(as_json: bool) -> Iterator[None]:
    """End the command, which has done its part, unless there is a record now; under torchrun only the first goes on."""
    from genkit.evaluation.parts import OthersMissing

    try:
        yield
    except OthersMissing as error:
        if as_json:
            echo_json({"part": str(error.part), "missing": error.missing})
        else:
            echo(str(error), err=True)
    else:
        if is_first():
            return
    click.get_current_context().exit()


def show_evaluation(
    evaluation: Evaluation,
    as_json: bool,
    page: str | None = None,
    calibration: Calibration | None = None,
    verification: Verification | None = None,
) -> None:
    """Print a record's scores with those of calibration baselines and a verification, or all as JSON."""
    from genkit.report.text import scores
    from genkit.results.records import to_json

    record = evaluation.record
    if as_json:
        verified = {} if verification is None else {"verification": verification.to_json()}
        echo_json({**json.loads(to_json(record)), "path": str(evaluation.path), "report": page, **verified})
        return
    samples, features = record.protocol["samples"], record.protocol["features"]
    reference = REFERENCES.get(kind := record.protocol["data"]["reference"], kind)
    extractor = f" · features {features['extractor']}" if features else ""
    measured = f"{samples['count']:,} samples" if samples["count"] else "statistics"
    echo(f"{record.dataset} · {record.subject.name} · {measured} against {reference}{extractor}")
    echo_lines(scores(record, calibration))
    if verification is not None:
        echo_lines(repr(verification))
