"""genkit explain"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genkit.cli.completions import complete_dataset, complete_metric
from genkit.cli.help import Command, option
from genkit.cli.messages import data_described
from genkit.cli.options import FILE, json_option
from genkit.cli.output import echo_json, echo_lines
from genkit.errors import one_line

if TYPE_CHECKING:
    from genkit.evaluation.explain import Explanation
    from genkit.results.records import RecordedScore


@click.command(cls=Command)
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
@option("--metric", shell_complete=complete_metric, help="Only this metric or score.")
@option("--weights", type=FILE, help="Weights file of the extractor.")
@option("--dataset", shell_complete=complete_dataset, help="Where the run's data is now, if it was moved.")
@json_option
def command(
    first: Path, second: Path, metric: str | None, weights: Path | None, dataset: str | None, as_json: bool
) -> None:
    """Explain why the scores of two records differ, choice by choice.

    FIRST and SECOND are record files. If what they measured still exists, it is measured again, changing one choice
    after the other.

    \b
    genkit compare out photos --json > a.json
    genkit compare out photos --protocol clean-fid --json > b.json
    genkit explain a.json b.json --metric fid
    """
    from genkit.cli.progress import work_bar
    from genkit.evaluation.explain import explain

    with data_described(), work_bar() as show:
        explanations = explain(first, second, metric=metric, weights=weights, dataset=dataset, progress=show)
    if as_json:
        echo_json([_document(explanation) for explanation in explanations])
        return
    for explanation in explanations:
        echo_lines(_text(explanation))


def _document(explanation: Explanation) -> dict[str, object]:
    return {
        "name": explanation.name,
        "first": _value(explanation.first),
        "second": _value(explanation.second),
        "measured_again": explanation.start,
        "changes": [dataclasses.asdict(change) for change in explanation.changes],
        "reason": explanation.reason,
    }


def _text(explanation: Explanation) -> str:
    from genkit.report.text import number, table

    one, other = _value(explanation.first), _value(explanation.second)
    moved = "" if one is None or other is None else f"  ({other - one:+.4g})"
    lines = [one_line(f"{explanation.name}  {number(one)} -> {number(other)}{moved}")]
    if not explanation.changes:
        lines.append(one_line(f"  {explanation.reason}") if explanation.reason else "  the same choices")
        return "\n".join(lines)
    if explanation.reason:
        lines.append(one_line(f"  not measured again: {explanation.reason}"))
    before = explanation.start
    rows = []
    for change in explanation.changes:
        moved = "" if change.value is None or before is None else f"{change.value - before:+.4g}"
        rows.append([change.choice, _short(change.before), "->", _short(change.after), moved, number(change.value)])
        before = change.value
    lines.append(table(rows, right=(4, 5), indent=2))
    return "\n".join(lines)


def _value(score: RecordedScore | None) -> float | None:
    return None if score is None else score.value


def _short(value: object) -> str:
    if isinstance(value, Mapping):  # how files were read
        return ", ".join(f"{key}={each}" for key, each in value.items()) or "as they are"
    text = "-" if value is None else str(value)
    return text[:12] if len(text) == 64 else text
