"""Heat tables, with cells coloured by value: probabilities, agreement of scores, ranks by score, values by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from genkit.ranking.agreement import Agreement
from genkit.ranking.board import Board
from genkit.ranking.rows import Row
from genkit.report.scale import Scale
from genkit.report.standings import arrow
from genkit.report.text import IN_PARTS, number
from genkit.results.records import RecordedScore

MOST = 30
"""Rows of a table: the best of a longer board."""


@dataclass(frozen=True)
class HeatCell:
    """A cell. ``heat`` is its colour, from -1 (bad) over 0 (none) to 1 (good); ``about`` its tooltip."""

    text: str
    heat: float = 0.0
    about: str = ""


@dataclass(frozen=True)
class HeatTable:
    """A table. ``abouts`` are the tooltips of the column heads; ``cut`` is the total of rows if some are omitted."""

    title: str
    about: str
    heads: tuple[str, ...]
    abouts: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    cut: int = 0


def chances(board: Board) -> HeatTable | None:
    """The probability that each model is better than each other."""
    rows = board.rows[:MOST]
    if len(rows) < 2:
        return None
    better = board.best(MOST).chances

    def spot(a: int, b: int) -> HeatCell:
        if a == b:
            return HeatCell("")
        chance = float(better[a, b])
        text = f"{chance:.2f}" if 0.005 <= chance < 0.995 else "<.01" if chance < 0.5 else ">.99"
        return HeatCell(text, 2 * chance - 1, f"{rows[a].label} is better than {rows[b].label}: {chance:.4f}")

    places = range(len(rows))
    trained = any(row.noise == "training" for row in rows)
    noise = "training noise" if trained else "evaluation noise only"
    unequal = " The variances over seeds are unequal: probabilities of the noisier models are overconfident."
    return HeatTable(
        "Probability of being better",
        f"The one-sided probability, from {noise}, that the row's model is better than the column's. Each pair is "
        "taken by itself; unlike the ranks, this is not corrected for multiple comparisons."
        f"{unequal if board.unequal_noise else ''}",
        tuple(str(place + 1) for place in places),
        tuple(row.label for row in rows),
        tuple((f"{a + 1} {rows[a].label}", tuple(spot(a, b) for b in places)) for a in places),
        _cut(board),
    )


def ranks(boards: Sequence[Board]) -> HeatTable | None:
    """The rank of each model under each score; cells are coloured by the middle of the rank."""
    if len(boards) < 2:
        return None
    first = boards[0]
    known = [{row.key: row for row in board.rows} for board in boards]

    def spot(key: str, rows: dict[str, Row]) -> HeatCell:
        row = rows.get(key)
        if row is None or row.best_rank is None or row.worst_rank is None:
            return HeatCell("-", about="not ranked under this score")
        middle = (row.best_rank + row.worst_rank) / 2 - 1
        return HeatCell(row.rank, 1 - middle / max(1, len(rows) - 1), f"{number(row.value)}; {len(rows)} models ranked")

    return HeatTable(
        "Ranks under each score",
        "Each score ranks by itself; there is no overall order. A stronger colour is better.",
        tuple(board.score for board in boards),
        tuple(f"{board.direction} is better" for board in boards),
        tuple((row.label, tuple(spot(row.key, rows) for rows in known)) for row in first.rows[:MOST]),
        _cut(first),
    )


def agreement(found: Agreement) -> HeatTable | None:
    """Kendall's tau of each pair of scores."""
    if len(found.names) < 2 or not any(tau is not None for row in found.taus for tau in row):
        return None
    pairs = [
        (tau, count) for a, row in enumerate(found.taus) for tau, count in zip(row[:a], found.counts[a], strict=False)
    ]
    alike = len({count for _, count in pairs}) == 1
    lacking = any(tau is None for tau, _ in pairs)

    def spot(tau: float | None, count: int, same: bool) -> HeatCell:
        if same:
            return HeatCell("")
        text = "-" if tau is None else f"{tau:.2f}"
        return HeatCell(text if alike else f"{text} ({count})", tau or 0.0)

    return HeatTable(
        "Do the scores agree?",
        "Kendall's tau between the orders of the models under two scores: 1 same order, 0 unrelated, -1 reversed. "
        + (f"Each over {pairs[0][1]} models." if alike else "The number of models is in brackets.")
        + (" There is none for fewer than three models, or if all are tied." if lacking else ""),
        tuple(str(place + 1) for place in range(len(found.names))),
        found.names,
        tuple(
            (
                f"{a + 1} {name}",
                tuple(
                    spot(tau, count, a == b)
                    for b, (tau, count) in enumerate(zip(found.taus[a], found.counts[a], strict=True))
                ),
            )
            for a, name in enumerate(found.names)
        ),
    )


def by_class(board: Board) -> list[HeatTable]:
    """One table for each score that has values by class, or by part: models by classes."""
    tables = []
    for name in (board.score, *board.columns):
        values = {row.label: parts for row in board.rows[:MOST] if (parts := _parts(row, name, board))}
        if not values:
            continue
        scale = Scale.of(value for parts in values.values() for value in parts.values())
        values |= {row.label: parts for row in board.calibration if (parts := _parts(row, name, board))}
        heads = tuple(dict.fromkeys(key for parts in values.values() for key in parts))
        one = next(score for row in board.rows if (score := _score(row, name, board)))
        direction, kind = one.direction, "part" if one.metric in IN_PARTS else "class"

        def spot(value: float | None, scale: Scale = scale, direction: str = direction) -> HeatCell:
            if value is None:
                return HeatCell("-")
            share = min(max(scale.place(value), 0.0), 1.0)
            return HeatCell(number(value), share if direction == "higher" else 1 - share)

        tables.append(
            HeatTable(
                f"{name} {arrow(direction)} by {kind}",
                f"Mean over training seeds. A stronger colour is better; the scale runs {scale.words} (ranked models).",
                heads,
                heads,
                tuple((label, tuple(spot(parts.get(head)) for head in heads)) for label, parts in values.items()),
                _cut(board),
            )
        )
    return tables


def _cut(board: Board) -> int:
    return len(board.rows) if len(board.rows) > MOST else 0


def _score(row: Row, name: str, board: Board) -> RecordedScore | None:
    return row.score if name == board.score else row.other.get(name)


def _parts(row: Row, name: str, board: Board) -> dict[str, float]:
    """A row's values by class, each the mean over the seeds with the same protocol."""
    shown = _score(row, name, board)
    if shown is None or not shown.parts:
        return {}
    alike = [s for r in row.records if (s := r.score(name)) and s.fingerprint == shown.fingerprint] or [shown]
    return {key: fmean(score.parts[key] for score in alike if key in score.parts) for key in shown.parts}
