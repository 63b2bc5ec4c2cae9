"""A recommendation as text and as JSON."""

from __future__ import annotations

from typing import Any

from genkit.errors import one_line
from genkit.ranking.board import COSTS
from genkit.ranking.recommend import Recommendation
from genkit.report import tabular
from genkit.report.text import interval, number


def document(recommendation: Recommendation) -> dict[str, Any]:
    """A recommendation as plain JSON values."""
    return {
        "model": recommendation.best.label,
        "options": recommendation.best.records[0].subject.options,
        "better_than_the_next": recommendation.probability,
        "not_told_apart": [row.label for row in recommendation.tied],
        "within": tabular.document(recommendation.board)["rows"],
        "outside": [{"model": label, "reason": reason} for label, reason in recommendation.outside],
        "not_comparable": [{"model": label, "reason": reason} for label, reason in recommendation.not_comparable],
        "untested": list(recommendation.untested),
        "beaten_by": list(recommendation.beaten_by),
    }


def text(recommendation: Recommendation) -> str:
    """A recommendation for the terminal: the model, how certain it is, its costs, and the reasons against others."""
    best, board = recommendation.best, recommendation.board
    lines = [
        f"{best.label}: {board.score} {number(best.value)} {interval(best.ci_low, best.ci_high)} on {board.dataset}, "
        f"{board.direction} is better",
        f"  {_certainty(recommendation)}",
    ]
    if recommendation.beaten_by:
        baselines = "a simple baseline" if len(recommendation.beaten_by) == 1 else "simple baselines"
        lines.append(f"  but no better than {' and '.join(recommendation.beaten_by)}, {baselines}: train for longer")
    costs = [
        f"{name} {number(best.other[name].value)} {best.other[name].unit}".rstrip()
        for name in sorted(best.other.keys() & set(COSTS))
    ]
    if costs:
        lines.append(f"  costs: {', '.join(costs)}{_hardware(recommendation)}")
    if recommendation.outside:
        lines += ["outside the limits:", *(f"  {label}: {reason}" for label, reason in recommendation.outside)]
    if recommendation.not_comparable:
        lines += ["not comparable:", *(f"  {label}: {reason}" for label, reason in recommendation.not_comparable)]
    if recommendation.untested:
        lines += ["untested:", *(f"  {line}" for line in recommendation.untested)]
    return "\n".join(map(one_line, lines))


def _certainty(recommendation: Recommendation) -> str:
    noise = (
        "training noise"
        if any(row.noise == "training" for row in recommendation.board.rows)
        else "evaluation noise only"
    )
    if recommendation.probability is None:
        return "the only model measured within the limits"
    if recommendation.tied:
        return f"tied with {', '.join(row.label for row in recommendation.tied)} (95 %, {noise})"
    others = len(recommendation.board.rows) - 1
    beaten = "the only other model" if others == 1 else f"all {others} others"
    return f"better than {beaten} within the limits (95 %, {noise})"


def _hardware(recommendation: Recommendation) -> str:
    score = recommendation.best.other.get("latency") or recommendation.best.other.get("train_seconds")
    device = score.choices.get("hardware.device") if score else None
    return f" (on {device})" if device else ""
