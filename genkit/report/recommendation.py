"""A recommendation as text and as JSON."""

from __future__ import annotations

from typing import Any

from genkit.ranking.board import COSTS
from genkit.ranking.recommend import Recommendation
from genkit.report import tabular
from genkit.report.text import interval, number


def document(found: Recommendation) -> dict[str, Any]:
    """A recommendation as plain JSON values."""
    return {
        "model": found.best.label,
        "options": found.best.records[0].subject.options,
        "better_than_the_next": found.probability,
        "not_told_apart": [row.label for row in found.tied],
        "within": tabular.document(found.board)["rows"],
        "outside": [{"model": label, "reason": reason} for label, reason in found.outside],
        "not_comparable": [{"model": label, "reason": reason} for label, reason in found.not_comparable],
        "untested": list(found.untested),
        "beaten_by": list(found.beaten_by),
    }


def text(found: Recommendation) -> str:
    """A recommendation for the terminal: the model, how certain it is, its costs, and why others are not in it."""
    best, board = found.best, found.board
    lines = [
        f"{best.label}: {board.score} {number(best.value)} {interval(best.ci_low, best.ci_high)} on {board.dataset}, "
        f"{board.direction} is better",
        f"  {_certainty(found)}",
    ]
    if found.beaten_by:
        baselines = "a simple baseline" if len(found.beaten_by) == 1 else "simple baselines"
        lines.append(f"  but no better than {' and '.join(found.beaten_by)}, {baselines}: train for longer")
    costs = [
        f"{name} {number(best.other[name].value)} {best.other[name].unit}".rstrip()
        for name in sorted(best.other.keys() & set(COSTS))
    ]
    if costs:
        lines.append(f"  costs: {', '.join(costs)}{_hardware(found)}")
    if found.outside:
        lines += ["outside the limits:", *(f"  {label}: {reason}" for label, reason in found.outside)]
    if found.not_comparable:
        lines += ["not comparable:", *(f"  {label}: {reason}" for label, reason in found.not_comparable)]
    if found.untested:
        lines += ["untested:", *(f"  {line}" for line in found.untested)]
    return "\n".join(lines)


def _certainty(found: Recommendation) -> str:
    noise = "training noise" if any(row.noise == "training" for row in found.board.rows) else "evaluation noise only"
    if found.probability is None:
        return "the only model measured within the limits"
    if found.tied:
        return f"tied with {', '.join(row.label for row in found.tied)} (95 %, {noise})"
    others = len(found.board.rows) - 1
    beaten = "the only other model" if others == 1 else f"all {others} others"
    return f"better than {beaten} within the limits (95 %, {noise})"


def _hardware(found: Recommendation) -> str:
    score = found.best.other.get("latency") or found.best.other.get("train_seconds")
    device = score.choices.get("hardware.device") if score else None
    return f" (on {device})" if device else ""
