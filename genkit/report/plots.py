"""Plots: the plain data that the page's script draws: values, quality against cost, learning curves, checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genkit.ranking import Board, Row
from genkit.ranking.board import COSTS
from genkit.report.pictures import Shown
from genkit.report.text import BOUNDS

VALUES = 40
"""Entries in the plot of values: the best of a longer board."""


def plots(board: Board, shown: Sequence[Shown]) -> dict[str, Any]:
    """Return the data of each plot that there is something to draw of, as plain JSON values."""
    found: dict[str, Any] = {"score": board.score, "direction": board.direction}
    if board.rows:
        found["values"] = _values(board)
    if costs := _costs(board):
        found["costs"] = costs
    if curves := _curves(shown):
        found["curves"] = curves
    if moments := _moments(board.rows):
        found["moments"] = moments
    return found


def _values(board: Board) -> dict[str, Any]:
    rows = board.rows[:VALUES]
    bounds = BOUNDS[board.direction]
    return {
        "names": [row.label for row in rows],
        "values": [row.value for row in rows],
        "lows": [row.ci_low for row in rows],
        "highs": [row.ci_high for row in rows],
        "bounds": [
            {"name": f"{row.label} ({bounds.get(row.label, 'baseline')})", "value": row.value}
            for row in board.calibration
            if row.value is not None
        ],
        "of": len(board.rows),
    }


def _costs(board: Board) -> list[dict[str, Any]]:
    """What the models cost, of each kind that two of them have above zero: the axis is logarithmic."""
    found = []
    for name in sorted(board.columns, key=lambda name: name.partition("[")[0]):
        metric = name.partition("[")[0]
        rows = [row for row in board.rows if name in row.other and row.other[name].value > 0]
        if metric not in COSTS or len(rows) < 2:
            continue
        cost = rows[0].other[name]
        costs = [row.other[name].value for row in rows]
        values = [row.value for row in rows if row.value is not None]
        found.append(
            {
                "cost": name,
                "unit": cost.unit,
                "cheaper": cost.direction,
                "names": [row.label for row in rows],
                "costs": costs,
                "values": values,
                "front": front(costs, values, cost.direction, board.direction),
            }
        )
    return found


def front(costs: Sequence[float], values: Sequence[float], cheaper: str, better: str) -> list[int]:
    """Return the places of the Pareto front, from the cheapest: nothing else is both as cheap and as good."""
    signs = [1 if direction == "lower" else -1 for direction in (cheaper, better)]
    points = [(signs[0] * cost, signs[1] * value) for cost, value in zip(costs, values, strict=True)]
    found: list[int] = []
    for place in sorted(range(len(points)), key=lambda place: points[place]):
        if not found or points[place][1] < points[found[-1]][1]:
            found.append(place)
    return found


def _curves(shown: Sequence[Shown]) -> dict[str, Any]:
    runs = [(entry.label, run) for entry in shown for run in entry.curves]
    names = list(dict.fromkeys(name for _, run in runs for name in run.curves))
    lines = [{"name": label, "seed": run.seed, "images": run.images, "curves": run.curves} for label, run in runs]
    return {"names": names, "runs": lines} if runs else {}


def _moments(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A line for each run whose earlier checkpoints were measured."""
    lines = []
    for row in rows[:VALUES]:
        for seed in sorted({moment.seed for moment in row.moments}):
            mine = [moment for moment in row.moments if moment.seed == seed]
            images, values = [moment.images for moment in mine], [moment.value for moment in mine]
            lines.append({"name": row.label, "seed": seed, "images": images, "values": values})
    return lines
