"""Plain text: numbers, aligned tables, a record's scores and a board for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from genkit.ranking import Board, Row
from genkit.records import Record

ARROWS = {"lower": "v", "higher": "^"}


def number(value: float | None) -> str:
    """Write a number with four significant digits, plainly; ``-`` for none."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 9_999.5:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1e-3 else f"{value:.2e}"


def interval(low: float | None, high: float | None) -> str:
    """Write a 95 % interval."""
    return "" if low is None or high is None else f"[{number(low)}, {number(high)}]"


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), indent: int = 0) -> str:
    """Lay rows out in aligned columns; the columns in ``right`` are right-aligned."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def scores(record: Record) -> str:
    """The scores of a record, one line each; what has no number shows ``-`` and why."""
    rows = [
        [
            s.name,
            ARROWS[s.direction],
            number(s.value),
            interval(s.ci_low, s.ci_high),
            f"n {s.n:,}",
            s.unit if s.rankable else f"{s.unit} {s.note}".strip(),
        ]
        for s in record.scores
    ]
    rows += [[name, "", "-", reason, "", ""] for name, reason in record.absent.items()]
    return table(rows, right=(2,), indent=2)


def heading(board: Board) -> str:
    """Say what a board ranks and how sure it can be."""
    noises = {row.noise for row in board.rows}
    most = max((row.seeds for row in board.rows), default=0)
    noise = (
        "one training seed: ranked by evaluation noise only"
        if noises <= {"evaluation"}
        else f"up to {most} training seeds"
    )
    return f"{board.dataset} · {board.score}, {board.direction} is better · protocol {board.fingerprint} · {noise}"


def columns(board: Board) -> list[str]:
    """The further columns worth showing: those that some row has."""
    return [name for name in board.columns if any(name in row.other for row in (*board.rows, *board.calibration))]


def cells(row: Row, board: Board) -> list[str]:
    """A row of a board as text."""
    others = [number(row.other[name].value) if name in row.other else "-" for name in columns(board)]
    mark = ROLES.get(row.label, "baseline") if row in board.calibration else ""
    seeds = str(row.seeds) if row.value is not None else ""
    return [row.rank, row.label, number(row.value), interval(row.ci_low, row.ci_high), seeds, *others, mark]


ROLES = {"real test": "floor", "noise": "ceiling"}


def header(board: Board) -> list[str]:
    """The names of a board's columns."""
    return ["rank", "model", board.score, "95 % interval", "seeds", *columns(board), ""]


def leaderboard(board: Board) -> str:
    """A board for the terminal."""
    rows = [header(board), *(cells(row, board) for row in (*board.rows, *board.calibration))]
    numbers = (2, 4, *range(5, 5 + len(columns(board))))
    return f"{heading(board)}\n{table(rows, right=numbers, indent=2)}"
