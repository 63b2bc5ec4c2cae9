"""HTML: a self-contained page for a run, and tables for notebooks."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genkit.errors import GenkitError, one_line
from genkit.files.guard import spared
from genkit.files.reading import entire, parse_json, read_file
from genkit.files.text import json_value, lines, logger
from genkit.ranking.board import Board
from genkit.ranking.sweeps import sweeps
from genkit.report import sweep_drawing
from genkit.report.card import card
from genkit.report.concept import concept
from genkit.report.text import Calibration, grid, heading, interval, number
from genkit.results import store
from genkit.results.log import COUNTERS, read_log
from genkit.results.records import Record

_LOG = logger(__name__)


def environment() -> Any:
    """Return the jinja2 environment of all pages, with autoescaping; names do no harm, see genkit.files.text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("genkit.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
    )
    environment.filters["number"] = number
    environment.filters["plain"] = plain
    environment.filters["breakable"] = breakable
    environment.globals["interval"] = interval
    return environment


def _harmless(value: Any) -> Any:
    if type(value) is str:
        return lines(value)
    return lines(str(value)) if isinstance(value, list | tuple | dict) else value


def plain(value: Any) -> str:
    """Format a value of an option or protocol as JSON, strings without quotation marks."""
    return value if isinstance(value, str) else json_value(value)


def breakable(name: str) -> Any:
    """Allow line breaks in a column name before a bracket and after underscores."""
    from markupsafe import Markup, escape

    return Markup(str(escape(one_line(name))).replace("[", "<wbr>[").replace("_", "_<wbr>"))


def score_table(record: Record) -> str:
    """Return the scores of a record as an HTML table, for notebooks."""
    html: str = environment().get_template("scores.html").render(record=record, calibration={})
    return html


def board_table(board: Board) -> str:
    """Return a board as an HTML table, for notebooks."""
    names, *rows = grid(board)
    html: str = environment().get_template("board.html").render(heading=heading(board), header=names, rows=rows)
    return html


def run_page(record: Record, run: Path, calibration: Calibration) -> str:
    """Return the page of an evaluated run: scores next to calibration baselines, samples, curves, settings.

    Records of the same weights at other options of drawing, in the run's folder, are shown as sweeps.
    """
    grid = run / "samples.png"
    picture = base64.b64encode(read_file(grid, entire())).decode() if grid.is_file() else ""
    origins = {record.id: str(run)}
    swept = spared(
        sweeps, _of_same_weights(record, run), lambda each, why: _LOG.warning("%s", store.unusable(each, origins, why))
    )
    html: str = (
        environment()
        .get_template("run.html")
        .render(
            record=record,
            calibration=calibration,
            picture=picture,
            curves=_curves(run / "log.jsonl"),
            sweeps=[sweep_drawing.shown(sweep) for sweep in sorted(swept, key=lambda sweep: -len(sweep.points))],
            size=sweep_drawing,
            run=str(run),
            concept=concept(_exhibits(record, run)),
            card=card(record.subject.name, record.subject.dist, record.dataset, _data(run)),
        )
    )
    return html


def _exhibits(record: Record, run: Path) -> Mapping[str, bytes]:
    """Return the exhibits of a record, empty if they can't be read."""
    try:
        return store.exhibits(run, record.id)
    except (GenkitError, OSError) as error:
        _LOG.warning("%s", error)
        return {}


def _data(run: Path) -> str:
    """Return what a run says of its data, empty for older runs."""
    try:
        said = parse_json(read_file(run / "run.json"))["dataset_summary"]
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return said if isinstance(said, str) else ""


def _of_same_weights(record: Record, run: Path) -> list[Record]:
    def weights(each: Record) -> tuple[str, str] | None:
        return (each.training.checkpoint_sha256, each.training.weights) if each.training else None

    return [each for each in store.known(run) if weights(each) == weights(record)]


def _curves(log: Path) -> list[dict[str, Any]]:
    """The logged values, one curve each, as points of an SVG of 300 x 80."""
    lines = list(read_log(log))
    names = list(dict.fromkeys(name for line in lines for name in line if name not in COUNTERS))
    curves = []
    for name in names:
        points = [(line["images"], line[name]) for line in lines if isinstance(line.get(name), int | float)]
        if len(points) < 2:
            continue
        xs, ys = zip(*points, strict=True)
        low, high = min(ys), max(ys)
        span, reach = (high - low) or 1.0, (xs[-1] - xs[0]) or 1
        path = " ".join(f"{300 * (x - xs[0]) / reach:.1f},{78 - 76 * (y - low) / span:.1f}" for x, y in points)
        curves.append({"name": name, "points": path, "last": ys[-1], "low": low, "high": high})
    return curves
