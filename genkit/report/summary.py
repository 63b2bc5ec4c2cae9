"""Optional sections below a board: probabilities, agreement, weighted ranks, several data sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genkit.ranking.across import Across
from genkit.ranking.agreement import Overall
from genkit.report.text import matrix, number, plain, table

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


def sections(found: Leaderboard, wanted: Sections) -> list[str]:
    """Return the wanted sections as text."""
    texts = []
    if wanted.chances and found.board.rows:
        texts.append(_chances(found))
    if wanted.agreement:
        texts.append(_agreement(found))
    if wanted.weights:
        texts.append(_overall(found.overall(wanted.weights)))
    if found.across is not None:
        texts.append(_across(found.across))
    return ["\n".join(map(plain, text.splitlines())) for text in texts]


def document(found: Leaderboard, wanted: Sections) -> dict[str, Any]:
    """Return the wanted sections as plain JSON values."""
    whole: dict[str, Any] = {}
    if wanted.chances:
        whole["chances"] = {"models": [row.label for row in found.board.rows], "better": found.board.chances.tolist()}
    if wanted.agreement:
        whole["agreement"] = dataclasses.asdict(found.agreement)
    if wanted.weights:
        whole["overall"] = dataclasses.asdict(found.overall(wanted.weights))
    if found.across is not None:
        whole["across"] = dataclasses.asdict(found.across)
    return whole


def _chances(found: Leaderboard) -> str:
    rows = found.board.rows[:MOST]
    cells = [["" if a == b else f"{found.board.chances[a, b]:.2f}" for b in range(len(rows))] for a in range(len(rows))]
    more = f" (the best {MOST} of {len(found.board.rows)})" if len(found.board.rows) > MOST else ""
    title = f"probability that the row's model is better than the column's{more}, each pair by itself"
    return f"{title}\n{matrix([row.label for row in rows], cells, numbered=True)}"


def _agreement(found: Leaderboard) -> str:
    known = found.agreement
    cells = [["-" if tau is None else f"{tau:.2f}" for tau in row] for row in known.taus]
    return f"agreement of scores on the order of models (Kendall's tau)\n{matrix(known.names, cells, numbered=True)}"


def _overall(found: Overall) -> str:
    words = ", ".join(f"{name} x {weight:g}" for name, weight in found.weights.items())
    rows = [[number(rank), label] for label, rank in found.rows]
    lacking = f"\n  not ranked under all of them: {', '.join(found.lacking)}" if found.lacking else ""
    return f"weighted mean rank with your weights: {words}\n{table(rows, right=(0,), indent=2)}{lacking}"


def _across(found: Across) -> str:
    header = ["average rank", "model", *found.datasets]
    rows = [
        [f"{average:.2f}", label, *(f"{rank:g}" for rank in ranks)]
        for average, label, ranks in zip(found.average, found.models, found.ranks, strict=True)
    ]
    lines = [
        f"average ranks by {found.score} over {len(found.datasets)} data sets",
        table([header, *rows], right=(0, *range(2, len(header))), indent=2),
        f"  Friedman: chi squared {number(found.chi_squared)}, p = {number(found.p_value)}; "
        f"averages must differ by {found.critical_difference:.2f} to be significant (Nemenyi, 5 %)",
    ]
    lines += [f"  not significantly different: {', '.join(found.models[a : b + 1])}" for a, b in found.groups]
    if found.varied:
        lines.append(f"  different options or training between data sets: {', '.join(found.varied)}")
    if found.lacking:
        lines.append(f"  missing on some data set: {', '.join(found.lacking)}")
    return "\n".join(lines)
