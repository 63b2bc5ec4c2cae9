"""Optional sections below a board: probabilities, agreement, weighted ranks, several data sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genkit.errors import one_line
from genkit.ranking.across import Across
from genkit.ranking.agreement import Overall
from genkit.report.text import matrix, number, table

if TYPE_CHECKING:
    from genkit.report.leaderboard import Leaderboard

MOST = 20
"""Models in the matrix of probabilities; more do not fit on a screen."""


@dataclass(frozen=True)
class Sections:
    """The sections wanted; average ranks are always shown for several data sets."""

    chances: bool = False
    agreement: bool = False
    weights: Mapping[str, float] = field(default_factory=dict)


def sections(leaderboard: Leaderboard, wanted: Sections) -> list[str]:
    """Return the wanted sections as text."""
    texts = []
    if wanted.chances and leaderboard.board.rows:
        texts.append(_chances(leaderboard))
    if wanted.agreement:
        texts.append(_agreement(leaderboard))
    if wanted.weights:
        texts.append(_overall(leaderboard.overall(wanted.weights)))
    if leaderboard.across is not None:
        texts.append(_across(leaderboard.across))
    return texts


def document(leaderboard: Leaderboard, wanted: Sections) -> dict[str, Any]:
    """Return the wanted sections as plain JSON values."""
    whole: dict[str, Any] = {}
    if wanted.chances:
        whole["chances"] = {
            "models": [row.label for row in leaderboard.board.rows],
            "better": leaderboard.board.chances.tolist(),
        }
    if wanted.agreement:
        whole["agreement"] = dataclasses.asdict(leaderboard.agreement)
    if wanted.weights:
        whole["overall"] = dataclasses.asdict(leaderboard.overall(wanted.weights))
    if leaderboard.across is not None:
        whole["across"] = dataclasses.asdict(leaderboard.across)
    return whole


def _chances(leaderboard: Leaderboard) -> str:
    rows, better = leaderboard.board.rows[:MOST], leaderboard.board.best(MOST).chances
    cells = [["" if a == b else f"{better[a, b]:.2f}" for b in range(len(rows))] for a in range(len(rows))]
    more = f" (the best {MOST} of {len(leaderboard.board.rows)})" if len(leaderboard.board.rows) > MOST else ""
    title = f"probability that the row's model is better than the column's{more}, each pair by itself"
    return f"{title}\n{matrix([row.label for row in rows], cells, numbered=True)}"


def _agreement(leaderboard: Leaderboard) -> str:
    known = leaderboard.agreement
    cells = [["-" if tau is None else f"{tau:.2f}" for tau in row] for row in known.taus]
    return f"agreement of scores on the order of models (Kendall's tau)\n{matrix(known.names, cells, numbered=True)}"


def _overall(overall: Overall) -> str:
    words = ", ".join(f"{name} x {weight:g}" for name, weight in overall.weights.items())
    rows = [[number(rank), label] for label, rank in overall.rows]
    lines = [one_line(f"weighted mean rank with your weights: {words}"), table(rows, right=(0,), indent=2)]
    if overall.lacking:
        lines.append(one_line(f"  not ranked under all of them: {', '.join(overall.lacking)}"))
    return "\n".join(lines)


def _across(across: Across) -> str:
    header = ["average rank", "model", *across.datasets]
    rows = [
        [f"{average:.2f}", label, *(f"{rank:g}" for rank in ranks)]
        for average, label, ranks in zip(across.average, across.models, across.ranks, strict=True)
    ]
    lines = [
        one_line(f"average ranks by {across.score} over {len(across.datasets)} data sets"),
        table([header, *rows], right=(0, *range(2, len(header))), indent=2),
        f"  Friedman: chi squared {number(across.chi_squared)}, p = {number(across.p_value)}; "
        f"averages must differ by {across.critical_difference:.2f} to be significant (Nemenyi, 5 %)",
    ]
    notes = [f"not significantly different: {', '.join(across.models[a : b + 1])}" for a, b in across.groups]
    if across.varied:
        notes.append(f"different options or training between data sets: {', '.join(across.varied)}")
    if across.lacking:
        notes.append(f"missing on some data set: {', '.join(across.lacking)}")
    return "\n".join([*lines, *(f"  {one_line(note)}" for note in notes)])
