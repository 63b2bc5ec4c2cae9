"""Plain text: numbers, aligned tables, a record's scores and a board for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

from genkit.errors import UnknownName
from genkit.ranking.board import Board
from genkit.ranking.rows import Row
from genkit.results.records import Record, RecordedScore

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


def plain(text: str) -> str:
    """Replace what moves a terminal's cursor or ends a line: names may hold anything."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), indent: int = 0) -> str:
    """Lay rows out in aligned columns; the columns in ``right`` are right-aligned."""
    if not rows:
        return ""
    rows = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


Calibration = Mapping[str, Mapping[str, RecordedScore]]
"""What calibrates a record: a name each, and its scores by their fingerprints."""


def scores(record: Record, calibration: Calibration | None = None) -> str:
    """The scores of a record, one line each; what has no number shows ``-`` and why.

    ``calibration`` adds a column each, of the scores with the same fingerprint.
    """
    rows = []
    calibration = calibration or {}
    for s in record.scores:
        values = [number(o.value if (o := known.get(s.fingerprint)) else None) for known in calibration.values()]
        words = s.unit if s.rankable else f"{s.unit} {s.note}".strip()
        rows.append(
            [s.name, ARROWS[s.direction], number(s.value), interval(s.ci_low, s.ci_high), f"{s.n:,}", *values, words]
        )
    reasons: dict[str, list[str]] = {}
    for name, reason in record.absent.items():
        reasons.setdefault(reason, []).append(name)
    if rows:
        rows.insert(0, ["", "", "value", "95 % interval", "n", *calibration, ""])
    lines = [table(rows, right=(2, *range(4, 5 + len(calibration))), indent=2)] if rows else []
    lines += [f"  {', '.join(names)}  -  {reason}" for reason, names in reasons.items()]
    if any(not s.ci_low <= s.value <= s.ci_high for s in record.scores):
        lines.append("  A value outside its interval: the interval is for the distance itself, the bias in n removed.")
    return "\n".join(lines)


def heading(board: Board) -> str:
    """Say what a board ranks and how sure it can be."""
    noises = {row.noise for row in board.rows}
    most = max((row.seeds for row in board.rows), default=0)
    noise = (
        "one training seed: ranked by evaluation noise only"
        if noises <= {"evaluation"}
        else f"up to {most} training seeds: ranked by training noise"
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
        if name not in ("all", board.score, board.score.partition("[")[0], *known, *metrics.values()):
            raise UnknownName("column", name, [*known, *metrics.values()], f"  (the board has {', '.join(known)})")
    if "all" in wanted:
        return known
    return [name for name in known if {name, metrics[name]} & set(wanted or HEADLINE)]


def cells(row: Row, board: Board, shown: Sequence[str]) -> list[str]:
    """A row of a board as text, with the further columns ``shown``; what bounds the board stands where a rank would."""
    others = [number(row.other[name].value) if name in row.other else "-" for name in shown]
    place = calibration_role(row, board) if row in board.calibration else row.rank
    seeds = str(row.seeds) if row.value is not None else ""
    best = [number(row.best_value), number(row.time_to_best)] if board.tracked else []
    return [place, row.label, number(row.value), interval(row.ci_low, row.ci_high), seeds, *best, *others]


def calibration_role(row: Row, board: Board) -> str:
    """Say what a calibrating row is: "floor" or "ceiling" where it bounds all rows, else "baseline"."""
    found = _ROLES[board.direction].get(row.subject, "baseline")
    values = [other.value for other in board.rows if other.value is not None]
    if row.value is None or not values:
        return found
    inside = row.value > min(values) if found == "floor" else row.value < max(values)
    return "baseline" if inside else found


_ROLES = {
    "lower": {"real test": "floor", "noise": "ceiling"},
    "higher": {"real test": "ceiling", "noise": "floor"},
}
"""What bounds a board, by what is better."""


def header(board: Board, shown: Sequence[str]) -> list[str]:
    """The names of a board's columns."""
    best = ["best checkpoint", "s to best"] if board.tracked else []
    return ["rank", "model", board.score, "95 % interval", "seeds", *best, *shown]


def notes(board: Board, wanted: Sequence[str] = ()) -> list[str]:
    """Say what must be said beside a board: jobs that failed, marks of the columns shown, what is not the result."""
    lines = [f"failed: {each.job.model}, seed {each.job.seed}: {each.reason}" for each in board.failed]
    blind = [name for name in (board.score, *columns(board, wanted)) if name in board.blind]
    if blind:
        lines.append(f"blind to memorisation, as copying training images beats all here: {', '.join(blind)}")
    if board.unequal_noise:
        lines.append("seeds of some models scatter more than others': one pooled variance trusts the noisier too much")
    if board.tracked:
        lines.append("best checkpoint: chosen by the very score, so not the result; ranks are of the last one")
    return lines


def grid(board: Board, wanted: Sequence[str] = ()) -> list[list[str]]:
    """A board as rows of text, its header first; ``wanted`` as in ``columns``."""
    shown = columns(board, wanted)
    return [header(board, shown), *(cells(row, board, shown) for row in (*board.rows, *board.calibration))]


def leaderboard(board: Board, wanted: Sequence[str] = (), width: int | None = None) -> str:
    """A board for the terminal; ``wanted`` as in ``columns``.

    Columns beyond ``width`` letters follow in further tables, each with the ranks and the names again.
    """
    rows = grid(board, wanted)
    first = len(header(board, ()))
    parts = [_cut(rows, range(first))]
    shown = list(range(first))
    for column in range(first, len(rows[0])):
        wider = _cut(rows, [*shown, column])
        if width and max(map(len, wider.splitlines())) > width:
            shown = [0, 1, column]
            parts.append(_cut(rows, shown))
        else:
            shown.append(column)
            parts[-1] = wider
    marks = [plain(note) for note in notes(board, wanted)]
    folded = [line for note in marks for line in (wrap(note, width - 2, break_on_hyphens=False) if width else [note])]
    return "\n".join([heading(board), "\n\n".join(parts), *(f"  {line}" for line in folded)])


def matrix(names: Sequence[str], cells: Sequence[Sequence[str]], *, numbered: bool = False) -> str:
    """Lay a square matrix out; with ``numbered`` its columns are called by the rows' numbers, as names are long."""
    heads = [str(place) for place in range(1, len(names) + 1)] if numbered else list(names)
    labels = [f"{place} {name}" for place, name in zip(heads, names, strict=True)] if numbered else list(names)
    rows = [["", *heads], *([label, *row] for label, row in zip(labels, cells, strict=True))]
    return table(rows, right=range(1, len(rows[0])), indent=2)


def _cut(rows: Sequence[Sequence[str]], shown: Sequence[int]) -> str:
    numbers = [place for place, column in enumerate(shown) if column not in (0, 1, 3)]
    return table([[row[column] for column in shown] for row in rows], right=numbers, indent=2)
