"""Standings: a board as a table for the page, whose every cell knows its text and what it sorts by."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

from genkit.outcomes import Outcome
from genkit.ranking import Board, Row
from genkit.records import RecordedScore
from genkit.report.text import BOUNDS, columns, interval, number


@dataclass(frozen=True)
class Column:
    """``about`` is what its head says when asked; ``shown`` at first, or only when chosen."""

    name: str
    direction: str
    about: str
    shown: bool
    blind: bool


@dataclass(frozen=True)
class Cell:
    """``value`` is what it sorts by; ``about`` an interval, or why there is no number."""

    text: str
    value: float | None = None
    about: str = ""


@dataclass(frozen=True)
class Mark:
    """Where something lies, as a share of its axis; a ``dot`` beyond the axis is not seen."""

    start: float
    end: float
    dot: float = 0.0


@dataclass(frozen=True)
class Line:
    """One entry. ``leads`` if nothing is known to be better; ``card`` is the anchor of its card, if it has one."""

    label: str
    place: Cell
    span: Mark | None
    leads: bool
    value: Cell
    interval: str
    whisker: Mark | None
    noise: Cell
    peak: tuple[Cell, Cell]
    cells: tuple[Cell, ...]
    card: str


@dataclass(frozen=True)
class Standings:
    """``peaks`` if best checkpoints are known; ``scale`` says how whiskers are drawn, over ``low`` to ``high``."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    calibration: tuple[Line, ...]
    failed: tuple[Outcome, ...]
    peaks: bool
    scale: str


def standings(board: Board, with_card: Container[str]) -> Standings:
    """Lay a board out; entries ``with_card`` link to theirs."""
    shown = set(columns(board))
    scale = _Scale.of(board.rows)
    anchors = {row.label: anchor(place) for place, row in enumerate(board.rows) if row.label in with_card}

    def lines(rows: Sequence[Row]) -> tuple[Line, ...]:
        return tuple(_line(row, board, scale, anchors.get(row.label, "")) for row in rows)

    return Standings(
        columns=tuple(_column(name, board, name in shown) for name in board.columns),
        lines=lines(board.rows),
        calibration=lines(board.calibration),
        failed=board.failed,
        peaks=any(row.moments for row in board.rows),
        scale=scale.words,
    )


def anchor(place: int) -> str:
    """Return the anchor of an entry's card, by its place on the board: names may hold anything."""
    return f"card-{place + 1}"


def arrow(direction: str) -> str:
    """Return the sign of what is better."""
    return "↓" if direction == "lower" else "↑"


def _column(name: str, board: Board, shown: bool) -> Column:
    score = next((row.other[name] for row in (*board.rows, *board.calibration) if name in row.other), None)
    if score is None:
        return Column(name, "", "", False, name in board.blind)
    unit = f", in {score.unit}" if score.unit else ""
    about = f"{score.direction} is better{unit}; protocol {score.fingerprint}"
    return Column(name, arrow(score.direction), about, shown, name in board.blind)


def _line(row: Row, board: Board, scale: _Scale, card: str) -> Line:
    place = Cell(BOUNDS[board.direction].get(row.label, "baseline"))
    span = None
    if row.best is not None and row.worst is not None:
        place = Cell(row.rank, (row.best + row.worst) / 2)
        count = len(board.rows)
        span = Mark((row.best - 1) / count, row.worst / count)
    return Line(
        label=row.label,
        place=place,
        span=span,
        leads=row.best == 1,
        value=Cell(number(row.value), row.value, row.score.note if row.score else "not measured"),
        interval=interval(row.ci_low, row.ci_high),
        whisker=scale.mark(row),
        noise=_noise(row),
        peak=(_peak(row), Cell(number(row.time_to_best), row.time_to_best)),
        cells=tuple(_cell(row.other.get(name), row.blank.get(name, "not measured")) for name in board.columns),
        card=card,
    )


def noise(row: Row) -> str:
    """Say which noise a row's interval is of."""
    if row.value is None:
        return ""
    return f"{row.seeds} seeds" if row.noise == "training" else "evaluation only"


def _noise(row: Row) -> Cell:
    error = row.evaluation_stderr
    apart = row.noise == "training" and error is not None
    return Cell(noise(row), about=f"standard error by measuring alone: {number(error)}" if apart else "")


def _peak(row: Row) -> Cell:
    images = ", ".join(f"{peak.images:,}" for peak in row.peaks)
    return Cell(number(row.best_value), row.best_value, f"at {images} images; not the result" if images else "")


def _cell(score: RecordedScore | None, why: str) -> Cell:
    if score is None:
        return Cell("-", about=why)
    between = interval(score.ci_low, score.ci_high) if score.ci_low < score.ci_high else ""
    about = "; ".join(filter(None, (between, "" if score.rankable else score.note)))
    return Cell(number(score.value), score.value, about)


@dataclass(frozen=True)
class _Scale:
    """The axis of the whiskers: the ranked rows' intervals fill it, in logarithms where they span a factor of ten."""

    low: float
    high: float
    logarithmic: bool
    words: str

    @classmethod
    def of(cls, rows: Sequence[Row]) -> _Scale:
        ends = [end for row in rows for end in (row.value, row.ci_low, row.ci_high) if end is not None]
        low, high = min(ends, default=0.0), max(ends, default=1.0)
        logarithmic = low > 0 and high > 10 * low
        words = f"from {number(low)} to {number(high)}{', logarithmic' if logarithmic else ''}"
        return cls(low, high, logarithmic, words)

    def mark(self, row: Row) -> Mark | None:
        """Return where a row's interval and value lie; None if no part of them is on the axis."""
        if row.value is None or row.ci_low is None or row.ci_high is None:
            return None
        start, end, dot = map(self._place, (row.ci_low, row.ci_high, row.value))
        return Mark(max(start, 0.0), min(end, 1.0), dot) if end >= 0 and start <= 1 else None

    def _place(self, value: float) -> float:
        if self.logarithmic:
            if value <= 0:
                return -1.0
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / ((self.high - self.low) or 1.0)
