"""Plain text for the terminal: numbers, aligned tables, the scores of a record, a board."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap

from genkit.errors import UnknownName, one_line
from genkit.options import LATER
from genkit.ranking.board import Board
from genkit.ranking.rows import Row
from genkit.ranking.sweeps import value_text
from genkit.results.records import Record, RecordedScore

ARROWS = {"lower": "v", "higher": "^"}


def number(value: float | None) -> str:
    """Format a number with four significant digits; ``-`` for None."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 9_999.5:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1e-3 else f"{value:.2e}"


def brief(value: float | None) -> str:
    """Format a number like ``number``, but from a million on by its first four digits, unless it is a count."""
    if value is None or abs(value) < 999_999.5 or (value.is_integer() and abs(value) < 1e15):
        return number(value)
    return f"{value:.4g}"


def interval(low: float | None, high: float | None, write: Callable[[float | None], str] = number) -> str:
    """Format a 95 % interval; empty for a number without one, such as a count or a distance from statistics."""
    return "" if low is None or high is None or low == high else f"[{write(low)}, {write(high)}]"


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), indent: int = 0) -> str:
    """Align rows of cells in columns; the columns in ``right`` are right-aligned."""
    if not rows:
        return ""
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


IN_PARTS = ("prompt_accuracy",)
"""Metrics whose parts are no classes, and stand below the table of a record's scores."""

Calibration = Mapping[str, Mapping[str, RecordedScore]]
"""Calibration baselines by name, each with its scores by fingerprint."""


def scores(record: Record, calibration: Calibration | None = None) -> str:
    """The scores of a record, one per line, then ``-`` and the reason for metrics without a number.

    Each of ``calibration`` adds a column with its scores of the same fingerprint.
    """
    rows = []
    calibration = calibration or {}
    for s in record.scores:
        values = [brief(o.value if (o := known.get(s.fingerprint)) else None) for known in calibration.values()]
        words = s.unit if s.rankable else f"{s.unit} {s.note}".strip()
        rows.append(
            [
                s.name,
                ARROWS[s.direction],
                brief(s.value),
                interval(s.ci_low, s.ci_high, brief),
                f"{s.n:,}",
                *values,
                words,
            ]
        )
    reasons: dict[str, list[str]] = {}
    for name, reason in record.absent.items():
        reasons.setdefault(reason, []).append(name)
    if rows:
        rows.insert(0, ["", "", "value", "95 % interval", "n", *calibration, ""])
    lines = [table(rows, right=(2, *range(4, 5 + len(calibration))), indent=2)] if rows else []
    lines += [
        one_line(f"  {s.name}: {', '.join(f'{brief(value)} {part}' for part, value in s.parts.items())}")
        for s in record.scores
        if s.metric in IN_PARTS
    ]
    lines += [one_line(f"  {', '.join(names)}  -  {reason}") for reason, names in reasons.items()]
    return "\n".join(lines)


SWEPT = ("fid", "prompt_accuracy", "class_accuracy", "precision", "recall", "kid")
"""Metrics that a table of a sweep shows, as far as they were measured; the first five measured if none of them was."""


def sweep_table(records: Sequence[Record], options: Sequence[str]) -> str:
    """The scores of one run over values of its options of drawing, a row a point; ``*`` marks the run's own."""
    return table(sweep_rows(records, options), right=range(1, 1 + len(options)), indent=2)


def sweep_rows(records: Sequence[Record], options: Sequence[str]) -> list[list[str]]:
    """The cells of ``sweep_table``, header first; each score has a cell for its value and one for its interval."""
    names = list(dict.fromkeys(score.name for record in records for score in record.scores if "@" not in score.name))
    metrics = {score.name: score.metric for record in records for score in record.scores}
    shown = [name for metric in SWEPT for name in names if metrics[name] == metric] or names[:5]
    rows = [["", *options, *(cell for name in shown for cell in (name, ""))]]
    for record in records:
        row = [
            "*" if record.at_own_point else "",
            *(value_text(record.subject.sampling.get(name, LATER.get(name))) for name in options),
        ]
        for name in shown:
            found = record.score(name)
            row += [
                brief(found.value if found else None),
                interval(found.ci_low, found.ci_high, brief) if found else "",
            ]
        rows.append(row)
    return rows


def heading(board: Board) -> str:
    """Say what a board ranks, under which protocol and by which noise."""
    noises = {row.noise for row in board.rows}
    most = max((row.seeds for row in board.rows), default=0)
    noise = (
        "one training seed: ranked by evaluation noise only"
        if noises <= {"evaluation"}
        else f"up to {most} training seeds: ranked by training noise"
    )
    return one_line(
        f"{board.dataset} · {board.score}, {board.direction} is better · protocol {board.fingerprint} · {noise}"
    )


HEADLINE = ("fid", "kid", "precision", "recall", "mse", "elbo", "bits_per_dim", "parameters")
"""Metrics whose columns are shown by default, as many as fit on a page."""


def columns(board: Board, wanted: Sequence[str] = ()) -> list[str]:
    """The columns to show besides the board's score, of those that some row has.

    ``wanted`` are names of columns or metrics, or "all"; by default the headline metrics. Raises UnknownName.
    """
    rows = [row.other for row in (*board.rows, *board.calibration)]
    first = {name: next((other for other in rows if name in other), None) for name in board.columns}
    metrics = {name: other.newest(name).metric for name, other in first.items() if other is not None}
    known = list(metrics)
    for name in wanted:
        if name not in ("all", board.score, board.score.partition("[")[0], *known, *metrics.values()):
            raise UnknownName("column", name, [*known, *metrics.values()], f"  (the board has {', '.join(known)})")
    if "all" in wanted:
        return known
    return [name for name in known if {name, metrics[name]} & set(wanted or HEADLINE)]


def cells(row: Row, board: Board, shown: Sequence[str]) -> list[str]:
    """The cells of a row, with the columns ``shown``. Calibration baselines have their role in place of a rank."""
    others = [number(row.other[name].value) if name in row.other else "-" for name in shown]
    place = calibration_role(row, board) if row in board.calibration else row.rank
    seeds = str(row.seeds) if row.value is not None else ""
    best = [number(row.best_value), number(row.time_to_best)] if board.has_milestones else []
    return [place, row.label, number(row.value), interval(row.ci_low, row.ci_high), seeds, *best, *others]


def calibration_role(row: Row, board: Board) -> str:
    """The role of a calibration baseline: "floor" or "ceiling" if it bounds all models, else "baseline"."""
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
"""The baselines that may bound a board, by direction."""


def header(board: Board, shown: Sequence[str]) -> list[str]:
    """The headings of a board's columns."""
    best = ["best checkpoint", "s to best"] if board.has_milestones else []
    return ["rank", "model", board.score, "95 % interval", "seeds", *best, *shown]


def notes(board: Board, wanted: Sequence[str] = ()) -> list[str]:
    """The notes below a board: failed jobs and caveats about its columns and ranks."""
    lines = [f"failed: {each.job.model}, seed {each.job.seed}: {each.reason}" for each in board.failed]
    blind = [name for name in (board.score, *columns(board, wanted)) if name in board.blind_to_memorisation]
    if blind:
        lines.append(f"blind to memorisation (copies of training images beat all models): {', '.join(blind)}")
    lines += [
        f"{name}: measured by different code of a plugin ({', '.join(codes)}): measure again by one"
        for name, codes in board.mixed_code.items()
        if name in (board.score, *columns(board, wanted))
    ]
    if board.unequal_noise:
        lines.append(
            "variances over seeds are unequal (Bartlett's test): the pooled one is too small for the noisier models"
        )
    if board.has_milestones:
        lines.append("best checkpoint: selected by this score, so not the result; ranks are of the last checkpoint")
    return lines


def grid(board: Board, wanted: Sequence[str] = ()) -> list[list[str]]:
    """A board as rows of text, header first; ``wanted`` as in ``columns``."""
    shown = columns(board, wanted)
    return [header(board, shown), *(cells(row, board, shown) for row in (*board.rows, *board.calibration))]


def leaderboard(board: Board, wanted: Sequence[str] = (), width: int | None = None) -> str:
    """A board for the terminal; ``wanted`` as in ``columns``.

    Columns beyond ``width`` characters go to more tables below, each with the ranks and names again.
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
    marks = [one_line(note) for note in notes(board, wanted)]
    folded = [line for note in marks for line in (wrap(note, width - 2, break_on_hyphens=False) if width else [note])]
    return "\n".join([heading(board), "\n\n".join(parts), *(f"  {line}" for line in folded)])


def matrix(names: Sequence[str], cells: Sequence[Sequence[str]], *, numbered: bool = False) -> str:
    """Align a square matrix; with ``numbered``, columns are headed by the rows' numbers instead of long names."""
    heads = [str(place) for place in range(1, len(names) + 1)] if numbered else list(names)
    labels = [f"{place} {name}" for place, name in zip(heads, names, strict=True)] if numbered else list(names)
    rows = [["", *heads], *([label, *row] for label, row in zip(labels, cells, strict=True))]
    return table(rows, right=range(1, len(rows[0])), indent=2)


def _cut(rows: Sequence[Sequence[str]], shown: Sequence[int]) -> str:
    numbers = [place for place, column in enumerate(shown) if column not in (0, 1, 3)]
    return table([[row[column] for column in shown] for row in rows], right=numbers, indent=2)
