"""Plain text: numbers, aligned tables, a record's scores and a board for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from genkit.errors import UnknownName
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


def scores(record: Record, beside: Sequence[Record] = ()) -> str:
    """The scores of a record, one line each; what has no number shows ``-`` and why.

    ``beside`` are what calibrates it: a column each, of the scores with the same fingerprint.
    """
    rows = []
    for s in record.scores:
        others = [other.score(s.name) for other in beside]
        values = [number(o.value) if o is not None and o.fingerprint == s.fingerprint else "-" for o in others]
        words = s.unit if s.rankable else f"{s.unit} {s.note}".strip()
        rows.append(
            [s.name, ARROWS[s.direction], number(s.value), interval(s.ci_low, s.ci_high), f"{s.n:,}", *values, words]
        )
    reasons: dict[str, list[str]] = {}
    for name, reason in record.absent.items():
        reasons.setdefault(reason, []).append(name)
    if rows:
        roles = [ROLES.get(other.subject.name, other.subject.name) for other in beside]
        rows.insert(0, ["", "", "value", "95 % interval", "n", *roles, ""])
    lines = [table(rows, right=(2, *range(4, 5 + len(beside))), indent=2)] if rows else []
    lines += [f"  {', '.join(names)}  -  {reason}" for reason, names in reasons.items()]
    return "\n".join(lines)


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


HEADLINE = ("fid", "kid", "precision", "recall", "mse", "elbo", "bits_per_dim", "parameters")
"""Metrics whose columns are shown unless others are asked for: a page has room for no more."""


def columns(board: Board, wanted: Sequence[str] = ()) -> list[str]:
    """The further columns to show, of those that some row has.

    ``wanted`` are names of columns or of metrics, or "all"; without any, the headline metrics. Raises UnknownName.
    """
    metrics = {name: s.metric for row in (*board.rows, *board.calibration) for name, s in row.other.items()}
    known = [name for name in board.columns if name in metrics]
    for name in wanted:
        if name not in ("all", *known, *metrics.values()):
            raise UnknownName("column", name, [*known, *metrics.values()], f"  (the board has {', '.join(known)})")
    if "all" in wanted:
        return known
    return [name for name in known if {name, metrics[name]} & set(wanted or HEADLINE)]


def cells(row: Row, board: Board, shown: Sequence[str]) -> list[str]:
    """A row of a board as text, with the further columns ``shown``."""
    others = [number(row.other[name].value) if name in row.other else "-" for name in shown]
    mark = ROLES.get(row.label, "baseline") if row in board.calibration else ""
    seeds = str(row.seeds) if row.value is not None else ""
    return [row.rank, row.label, number(row.value), interval(row.ci_low, row.ci_high), seeds, *others, mark]


ROLES = {"real test": "floor", "noise": "ceiling"}


def header(board: Board, shown: Sequence[str]) -> list[str]:
    """The names of a board's columns."""
    return ["rank", "model", board.score, "95 % interval", "seeds", *shown, ""]


def grid(board: Board, wanted: Sequence[str] = ()) -> list[list[str]]:
    """A board as rows of text, its header first; ``wanted`` as in ``columns``."""
    shown = columns(board, wanted)
    return [header(board, shown), *(cells(row, board, shown) for row in (*board.rows, *board.calibration))]


def leaderboard(board: Board, wanted: Sequence[str] = ()) -> str:
    """A board for the terminal; ``wanted`` as in ``columns``."""
    rows = grid(board, wanted)
    return f"{heading(board)}\n{table(rows, right=(2, *range(4, len(rows[0]) - 1)), indent=2)}"
