"""genkit recommend"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.common import complete_measured, echo_json, json_option, left_out, store_option
from genkit.registry.specs import ModelSpec

if TYPE_CHECKING:
    from genkit.ranking.recommend import Recommendation


class Limit(click.FloatRange):
    """A number above zero; nothing is above or below one that is none, so it would limit nothing."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; not a number is refused."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is not a number", param, ctx)
        return found


@click.command()
@click.option("--dataset", shell_complete=complete_measured, help="The data set; the newest record's by default.")
@click.option("--latency-ms", type=Limit(), help="Most milliseconds for one image.")
@click.option("--train-minutes", type=Limit(), help="Most minutes of training.")
@click.option(
    "--need",
    "needs",
    type=click.Choice(["samples", "likelihood", "conditional"]),
    multiple=True,
    help="What it must do; a likelihood is then what models are ranked by.",
)
@click.option("--score", help="Choose by this score or metric instead.")
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
    """Name the best model within limits, how sure that is, and what is untested.

    \b
    genkit recommend --dataset digits --latency-ms 5 --train-minutes 30
    genkit recommend --need likelihood
    """
    from genkit.ranking.recommend import recommend
    from genkit.registry.discovery import registry
    from genkit.results import store

    contents = store.read(root)
    for problem in contents.problems:
        left_out(problem)
    found = recommend(
        contents.records,
        dataset=dataset,
        score=score,
        latency_ms=latency_ms,
        train_minutes=train_minutes,
        needs=needs,
        offered=[offer.spec.name for offer in registry().offers(ModelSpec) if offer.spec.family != "baseline"],
    )
    if as_json:
        echo_json(_document(found))
    else:
        click.echo(_text(found))


def _document(found: Recommendation) -> dict[str, Any]:
    from genkit.report import tabular

    return {
        "model": found.best.label,
        "options": found.best.records[0].subject.options,
        "better_than_the_next": found.certain,
        "not_told_apart": [row.label for row in found.rivals],
        "within": tabular.document(found.board)["rows"],
        "outside": [{"model": label, "reason": reason} for label, reason in found.outside],
        "not_comparable": [{"model": label, "reason": reason} for label, reason in found.not_comparable],
        "untested": list(found.untested),
        "beaten_by": list(found.beaten_by),
    }


def _text(found: Recommendation) -> str:
    from genkit.report.text import interval, number

    best, board = found.best, found.board
    lines = [
        f"{best.label}: {board.score} {number(best.value)} {interval(best.ci_low, best.ci_high)} on {board.dataset}, "
        f"{board.direction} is better",
        f"  {_sureness(found)}",
    ]
    if found.beaten_by:
        simple = "which is hardly a model" if len(found.beaten_by) == 1 else "which are hardly models"
        lines.append(f"  but no better than {' and '.join(found.beaten_by)}, {simple}: train for longer")
    costs = [
        f"{name} {number(best.other[name].value)} {best.other[name].unit}".rstrip()
        for name in _COSTS & best.other.keys()
    ]
    if costs:
        lines.append(f"  costs: {', '.join(sorted(costs))}{_hardware(found)}")
    if found.outside:
        lines += ["outside the limits:", *(f"  {label}: {reason}" for label, reason in found.outside)]
    if found.not_comparable:
        lines += ["not comparable:", *(f"  {label}: {reason}" for label, reason in found.not_comparable)]
    if found.untested:
        lines += ["untested:", *(f"  {line}" for line in found.untested)]
    return "\n".join(lines)


_COSTS = {"latency", "parameters", "throughput", "train_seconds"}


def _sureness(found: Recommendation) -> str:
    several = any(row.noise == "training" for row in found.board.rows)
    noise = "by the noise of training" if several else "by evaluation noise only"
    if found.certain is None:
        return "the only one within the limits that was measured"
    if found.rivals:
        return f"not told apart from {', '.join(row.label for row in found.rivals)} {noise}"
    others = len(found.board.rows) - 1
    beaten = "the only other model" if others == 1 else f"all {others} others"
    return f"better than {beaten} within the limits, at 95 % {noise}"


def _hardware(found: Recommendation) -> str:
    score = found.best.other.get("latency") or found.best.other.get("train_seconds")
    device = score.choices.get("hardware.device") if score else None
    return f" (on {device})" if device else ""
