"""What ``genkit eval`` and ``genkit compare`` share: options, the table of scores, the message after Ctrl-C."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genkit.cli.common import NAMES, F, complete_feature, complete_metric, device_option, echo_json
from genkit.errors import Interrupted
from genkit.results.protocols import PROTOCOLS

if TYPE_CHECKING:
    from genkit.evaluation.evaluate import Evaluation
    from genkit.evaluation.verify import Verification
    from genkit.report.text import Calibration

REFERENCES = {"train": "the training images", "all": "all images"}


def evaluation_options(function: F) -> F:
    """Add --metrics, --features, --protocol, --choice, --weights, --seed and --device."""
    for option in reversed(
        (
            click.option(
                "--metrics",
                type=NAMES,
                default="all",
                show_default=True,
                shell_complete=complete_metric,
                help="Metrics, comma-separated.",
            ),
            click.option(
                "--features",
                type=NAMES,
                shell_complete=complete_feature,
                help="Feature extractors, comma-separated; by default the data set's own, or inception.",
            ),
            click.option(
                "--protocol",
                type=click.Choice(list(PROTOCOLS)),
                default="genkit",
                show_default=True,
                help="Reproduce this package's protocol.",
            ),
            click.option(
                "-c",
                "--choice",
                "choices",
                multiple=True,
                metavar="KEY=VALUE",
                help="A setting of the extractor, e.g. resize=bilinear; repeatable.",
            ),
            click.option(
                "--weights", type=click.Path(path_type=Path, dir_okay=False), help="The extractor's weights file."
            ),
            click.option(
                "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the evaluation."
            ),
            device_option,
        )
    ):
        function = option(function)
    return function


@contextlib.contextmanager
def interruptible(message: str = "the same command resumes where it stopped") -> Iterator[None]:
    """After Ctrl-C, say what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; {message}") from None


def show_evaluation(
    evaluation: Evaluation,
    as_json: bool,
    page: str | None = None,
    beside: Calibration | None = None,
    verification: Verification | None = None,
) -> None:
    """Print the scores of a record, with further columns ``beside`` them and a verification, or all as JSON."""
    from genkit.report.text import scores
    from genkit.results.records import to_json

    record = evaluation.record
    if as_json:
        verified = {} if verification is None else {"verification": verification.to_json()}
        echo_json({**json.loads(to_json(record)), "path": str(evaluation.path), "report": page, **verified})
        return
    samples, features = record.protocol["samples"], record.protocol["features"]
    reference = REFERENCES[record.protocol["data"]["reference"]]
    extractor = f" · features {features['extractor']}" if features else ""
    click.echo(
        f"{record.dataset} · {record.subject.name} · {samples['count']:,} samples against {reference}{extractor}"
    )
    click.echo(scores(record, beside))
    if verification is not None:
        click.echo(repr(verification))
