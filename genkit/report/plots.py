"""Data of the plots that the page's script draws: values, quality against cost, learning curves, milestones, sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genkit.ranking.board import COSTS, Board
from genkit.ranking.rows import Row
from genkit.ranking.sweeps import Curve, SweepPlot, value_text
from genkit.report.pictures import EntryExhibits
from genkit.report.standings import score_at_other_size
from genkit.report.text import calibration_role

VALUES = 40
"""Only this many entries, the best of a longer board, are plotted."""


def plots(board: Board, shown: Sequence[EntryExhibits], swept: Sequence[SweepPlot] = ()) -> dict[str, Any]:
    """Return the data of each plot that is not empty, as plain JSON values."""
    found: dict[str, Any] = {"score": board.score, "direction": board.direction}
    if board.rows:
        found["values"] = _values(board)
    if costs := _costs(board):
        found["costs"] = costs
    if curves := _curves(shown):
        found["curves"] = curves
    if milestones := _milestones(board.rows):
        found["milestones"] = milestones
    if swept:
        labels = {row.key: row.label for row in board.rows}
        found["sweeps"] = [_sweep(plot, labels) for plot in swept]
    return found


def _values(board: Board) -> dict[str, Any]:
    rows = board.rows[:VALUES]
    references = [_reference(row, board) for row in board.calibration]
    return {
        "names": [row.label for row in rows],
        "values": [row.value for row in rows],
        "lows": [row.ci_low for row in rows],
        "highs": [row.ci_high for row in rows],
        "references": [each for each in references if each["value"] is not None],
        "of": len(board.rows),
    }


def _reference(row: Row, board: Board) -> dict[str, Any]:
    """A reference line across the plot. ``wide`` if the axis must include it; copies and noise may lie far off."""
    other = score_at_other_size(row, board)
    at = f", at n = {other.n:,}" if other else ""
    value = other.value if other else row.value
    return {
        "name": f"{row.label} ({calibration_role(row, board)}{at})",
        "value": value,
        "wide": row.subject == "real test",
    }


def _costs(board: Board) -> list[dict[str, Any]]:
    """The costs of the models, for each kind of cost that two of them have above zero: the axis is logarithmic."""
    found = []
    for name in sorted(board.columns, key=lambda name: name.partition("[")[0]):
        places = [p for p, row in enumerate(board.rows) if name in row.other and row.other[name].value > 0]
        if name.partition("[")[0] not in COSTS or len(places) < 2:
            continue
        rows = [board.rows[place] for place in places]
        cost = rows[0].other[name]
        costs = [row.other[name].value for row in rows]
        values = [row.value for row in rows if row.value is not None]
        found.append(
            {
                "cost": name,
                "unit": cost.unit,
                "cheaper": cost.direction,
                "names": [row.label for row in rows],
                "places": places,
                "costs": costs,
                "values": values,
                "lows": [row.ci_low for row in rows],
                "highs": [row.ci_high for row in rows],
                "front": front(costs, values, cost.direction, board.direction),
            }
        )
    if found and board.comparison is not None:
        differ = board.comparison.differ()
        for one in found:
            one["unsure"] = _unsure(one, differ)
    return found


def _unsure(one: Mapping[str, Any], differ: Any) -> list[int]:
    """Return the points of the front that are not significantly better than something cheaper."""
    import numpy as np

    costs = np.array(one["costs"]) * (1 if one["cheaper"] == "lower" else -1)
    places = np.array(one["places"])
    return [point for point in one["front"] if np.any((costs < costs[point]) & ~differ[places[point], places])]


def front(costs: Sequence[float], values: Sequence[float], cheaper: str, better: str) -> list[int]:
    """Return the indices of the Pareto front, cheapest first: no other point is as cheap and as good."""
    signs = [1 if direction == "lower" else -1 for direction in (cheaper, better)]
    points = [(signs[0] * cost, signs[1] * value) for cost, value in zip(costs, values, strict=True)]
    found: list[int] = []
    for place in sorted(range(len(points)), key=lambda place: points[place]):
        if not found or points[place][1] < points[found[-1]][1]:
            found.append(place)
    return found


def _curves(shown: Sequence[EntryExhibits]) -> dict[str, Any]:
    """The curves of each run, and their names, the one that most models have first."""
    runs = [(entry.label, run) for entry in shown for run in entry.curves]
    models: dict[str, set[str]] = {}
    for label, run in runs:
        for name in run.curves:
            models.setdefault(name, set()).add(label)
    names = sorted(models, key=lambda name: -len(models[name]))
    lines = [{"name": label, "seed": run.seed, "images": run.images, "curves": run.curves} for label, run in runs]
    return {"names": names, "runs": lines} if runs else {}


def _milestones(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A line for each run with milestones."""
    lines = []
    for row in rows[:VALUES]:
        for seed in sorted({milestone.seed for milestone in row.milestones}):
            mine = [milestone for milestone in row.milestones if milestone.seed == seed]
            images, values = [milestone.images for milestone in mine], [milestone.value for milestone in mine]
            lines.append({"name": row.label, "seed": seed, "images": images, "values": values})
    return lines


def _sweep(plot: SweepPlot, labels: Mapping[str, str]) -> dict[str, Any]:
    """The curves of a plot, each named as its row of the board if it has one."""
    return {
        "axes": [
            {"name": each.name, "direction": each.direction, "protocol": each.fingerprint, "n": each.n}
            for each in plot.axes
        ],
        "curves": [_swept(curve, plot, labels.get(curve.sweep.entry, curve.sweep.label)) for curve in plot.curves],
    }


def _swept(curve: Curve, plot: SweepPlot, label: str) -> dict[str, Any]:
    across, upward = ([point.scores[name] for point in curve.points] for name in (plot.x, plot.y))
    return {
        "name": ", ".join([label, *(f"{name}={value_text(value)}" for name, value in curve.held.items())]),
        "run": f"seed {curve.sweep.seed}, run {curve.sweep.run}",
        "texts": curve.texts(),
        "drawn": [f"{curve.option}={value_text(point.values[curve.option])}" for point in curve.points],
        "own": [point.own for point in curve.points],
        "ends": [
            {
                "values": [score.value for score in scores],
                "lows": [score.ci_low for score in scores],
                "highs": [score.ci_high for score in scores],
            }
            for scores in (across, upward)
        ],
    }
