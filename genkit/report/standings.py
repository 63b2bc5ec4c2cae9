"""Standings: a board as the page's table, each cell with its text and sort key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from genkit.ranking.board import Board
from genkit.ranking.rows import Row
from genkit.report.scale import Scale
from genkit.report.text import calibration_role, columns, interval, number
from genkit.results.jobs import Outcome
from genkit.results.records import RecordedScore


@dataclass(frozen=True)
class Column:
    """A column. ``about`` is the tooltip of its head; ``shown``: visible at first; ``blind``: to memorisation."""

    name: str
    direction: str
    about: str
    shown: bool
    blind: bool


@dataclass(frozen=True)
class Cell:
    """A cell. ``value`` is its sort key; ``about`` its tooltip, such as the reason why there is no number."""

    text: str
    value: float | None = None
    about: str = ""
    interval: str = ""


@dataclass(frozen=True)
class Mark:
    """A bar and a dot, as fractions of their axis; a ``dot`` outside [0, 1] is not visible."""

    start: float
    end: float
    dot: float = 0.0


@dataclass(frozen=True)
class Line:
    """One entry. ``leads``: nothing is significantly better; ``details``: the HTML id of its details, or empty."""

    label: str
    place: Cell
    span: Mark | None
    leads: bool
    value: Cell
    whisker: Mark | None
    noise: Cell
    best_checkpoint: tuple[Cell, Cell]
    cells: tuple[Cell, ...]
    details: str


@dataclass(frozen=True)
class Blank:
    """A reason for missing numbers, with pairs of columns and the entries that lack them for it."""

    reason: str
    cells: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Standings:
    """The table. ``scale``: the scale of the whiskers, in words."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    calibration: tuple[Line, ...]
    failed: tuple[Outcome, ...]
    blanks: tuple[Blank, ...]
    has_milestones: bool
    scale: str


def standings(board: Board, with_details: int) -> Standings:
    """Lay out a board; the best ``with_details`` entries link to their details."""
    shown = set(columns(board))
    scale = Scale.of(end for row in board.rows for end in (row.value, row.ci_low, row.ci_high) if end is not None)
    lines = [
        _line(row, board, scale, entry_id(place) if place < with_details else "")
        for place, row in enumerate(board.rows)
    ]
    calibration = [_line(row, board, scale, "") for row in board.calibration]
    return Standings(
        columns=tuple(_column(name, board, name in shown) for name in board.columns),
        lines=tuple(lines),
        calibration=tuple(calibration),
        failed=board.failed,
        blanks=_blanks((*board.rows, *board.calibration), [*lines, *calibration], (board.score, *board.columns)),
        has_milestones=board.has_milestones,
        scale=scale.words,
    )


def _blanks(rows: Sequence[Row], lines: Sequence[Line], names: Sequence[str]) -> tuple[Blank, ...]:
    """Group missing numbers by reason, and then entries by the columns they lack.

    Most reasons begin with the entry's name, which is removed so that they can be grouped.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for row, line in zip(rows, lines, strict=True):
        lacking: dict[str, list[str]] = {}
        for name, cell in zip(names, (line.value, *line.cells), strict=True):
            if cell.value is None:
                lacking.setdefault(cell.about.removeprefix(f"{row.subject} "), []).append(name)
        for reason, cells in lacking.items():
            found.setdefault(reason, {}).setdefault(", ".join(cells), []).append(line.label)
    return tuple(
        Blank(reason, tuple((cells, tuple(labels)) for cells, labels in group.items()))
        for reason, group in found.items()
    )


def entry_id(place: int) -> str:
    """Return the HTML id of an entry's details. It is numbered, as names may hold any character."""
    return f"entry-{place + 1}"


def arrow(direction: str) -> str:
    """Return an arrow in the direction of better values."""
    return "↓" if direction == "lower" else "↑"


def _column(name: str, board: Board, shown: bool) -> Column:
    score = next((row.other[name] for row in (*board.rows, *board.calibration) if name in row.other), None)
    if score is None:
        return Column(name, "", "", False, name in board.blind_to_memorisation)
    unit = f", in {score.unit}" if score.unit else ""
    about = f"{score.direction} is better{unit}; protocol {score.fingerprint}"
    return Column(name, arrow(score.direction), about, shown, name in board.blind_to_memorisation)


def _line(row: Row, board: Board, scale: Scale, details: str) -> Line:
    if row.best_rank is None or row.worst_rank is None:
        place, span = Cell(calibration_role(row, board)), None
    else:
        place = Cell(row.rank, (row.best_rank + row.worst_rank) / 2)
        span = Mark((row.best_rank - 1) / len(board.rows), row.worst_rank / len(board.rows))
    return Line(
        label=row.label,
        place=place,
        span=span,
        leads=row.best_rank == 1,
        value=_value(row, board),
        whisker=_mark(row, scale),
        noise=_noise(row),
        best_checkpoint=(_best_checkpoint(row), Cell(number(row.time_to_best), row.time_to_best)),
        cells=tuple(_cell(row.other.get(name), row.blank.get(name, "not measured")) for name in board.columns),
        details=details,
    )


def score_at_other_size(row: Row, board: Board) -> RecordedScore | None:
    """Return a row's value of the board's score at another number of images, if that is the only one it has.

    The real test split is often smaller than the board's number of samples: it still calibrates, at another n.
    """
    if row.value is not None:
        return None
    return next((score for name, score in row.other.items() if name.partition("@")[0] == board.score), None)


def _value(row: Row, board: Board) -> Cell:
    other = score_at_other_size(row, board)
    if other is not None:
        about = f"at another number of images than the board's: {other.name}"
        return Cell(
            f"{number(other.value)} at n = {other.n:,}", other.value, about, interval(other.ci_low, other.ci_high)
        )
    about = row.score.note if row.score else "not measured"
    return Cell(number(row.value), row.value, about, interval(row.ci_low, row.ci_high))


def noise(row: Row) -> str:
    """Say which noise a row's interval covers."""
    if row.value is None:
        return ""
    return f"{row.seeds} seeds" if row.noise == "training" else "evaluation only"


def _noise(row: Row) -> Cell:
    error = row.evaluation_stderr if row.noise == "training" else None
    about = f"standard error of the evaluation alone: {number(error)}" if error is not None else ""
    return Cell(noise(row), about=about)


def _best_checkpoint(row: Row) -> Cell:
    images = ", ".join(f"{best.images:,}" for best in row.best_milestones)
    return Cell(number(row.best_value), row.best_value, f"at {images} images; not the result" if images else "")


def _cell(score: RecordedScore | None, why: str) -> Cell:
    if score is None:
        return Cell("-", about=why)
    return Cell(
        number(score.value), score.value, "" if score.rankable else score.note, interval(score.ci_low, score.ci_high)
    )


def _mark(row: Row, scale: Scale) -> Mark | None:
    """Return the whisker of a row; None if no part of it is on the axis."""
    if row.value is None or row.ci_low is None or row.ci_high is None:
        return None
    start, end, dot = map(scale.place, (row.ci_low, row.ci_high, row.value))
    return Mark(max(start, 0.0), min(end, 1.0), dot) if end >= 0 and start <= 1 else None
