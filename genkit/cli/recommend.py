"""genkit recommend"""

from __future__ import annotations

import math
from typing import Any

import click

from genkit.cli.completions import complete_measured
from genkit.cli.help import Command, option
from genkit.cli.options import json_option, store_option
from genkit.cli.output import echo_json, echo_lines, left_out


class Limit(click.FloatRange):
    """A number above zero; NaN is refused, as it would limit nothing."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; fails with a usage error for NaN."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is not a number", param, ctx)
        return found


@click.command(cls=Command)
@option("--dataset", shell_complete=complete_measured, help="Data set; the newest record's by default.")
@option("--latency-ms", type=Limit(), help="Maximum milliseconds per image.")
@option("--train-minutes", type=Limit(), help="Maximum minutes of training.")
@option(
    "--need",
    "needs",
    type=click.Choice(["samples", "likelihood", "conditional"]),
    multiple=True,
    help="Capability it must have; with likelihood, models are ranked by likelihood. Repeatable.",
)
@option("--score", help="Rank by this score or metric.")
@json_option
@store_option
def command(
    dataset: str | None,
    latency_ms: float | None,
    train_minutes: float | None,
    needs: tuple[str, ...],
    score: str | None,
    as_json: bool,
    root: str,
) -> None:
    """Recommend the best model within limits, with how certain that is and what is untested.

    \b
    genkit recommend --dataset digits --latency-ms 5 --train-minutes 30
    genkit recommend --need likelihood
    """
    from genkit.ranking.recommend import recommend
    from genkit.report import recommendation

    found = recommend(
        root,
        dataset=dataset,
        score=score,
        latency_ms=latency_ms,
        train_minutes=train_minutes,
        needs=needs,
        unreadable=left_out,
    )
    if as_json:
        echo_json(recommendation.document(found))
    else:
        echo_lines(recommendation.text(found))
