"""What stands below a board when it is asked for: chances, agreement, a weighted order, several data sets."""

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
"""Models in a matrix of chances: more don't fit on a screen."""


@dataclass(frozen=True)
class Asked:
    """What is wanted below a board; average ranks stand there whenever there are several data sets."""

    chances: bool = False
    agreement: bool = False
    weights: Mapping[str, float] = field(default_factory=dict)


def parts(found: Leaderboard, asked: Asked) -> list[str]:
    """Return what was asked for as text, one part each."""
    texts = []
    if asked.chances and found.board.rows:
        texts.append(_chances(found))
    if asked.agreement:
        texts.append(_agreement(found))
    if asked.weights:
        texts.append(_overall(found.overall(asked.weights)))
    if found.across is not None:
        texts.append(_across(found.across))
    return ["\n".join(map(plain, text.splitlines())) for text in texts]


def document(found: Leaderboard, asked: Asked) -> dict[str, Any]:
    """Return what was asked for as plain JSON values."""
    whole: dict[str, Any] = {}
    if asked.chances:
        whole["chances"] = {"models": [row.label for row in found.board.rows], "better": found.board.chances.tolist()}
    if asked.agreement:
        whole["agreement"] = dataclasses.asdict(found.agreement)
    if asked.weights:
        whole["overall"] = dataclasses.asdict(found.overall(asked.weights))
    if found.across is not None:
        whole["across"] = dataclasses.asdict(found.across)
    return whole


def _chances(found: Leaderboard) -> str:
    rows = found.board.rows[:MOST]
    cells = [["" if a == b else f"{found.board.chances[a, b]:.2f}" for b in range(len(rows))] for a in range(len(rows))]
    more = f" (the best {MOST} of {len(found.board.rows)})" if len(found.board.rows) > MOST else ""
    title = f"chance that the row's model is better than the column's{more}, each pair by itself"
    return f"{title}\n{matrix([row.label for row in rows], cells, numbered=True)}"


def _agreement(found: Leaderboard) -> str:
    known = found.agreement
    cells = [["-" if tau is None else f"{tau:.2f}" for tau in row] for row in known.taus]
    return f"agreement on the order of models, Kendall's tau\n{matrix(known.names, cells, numbered=True)}"


def _overall(found: Overall) -> str:
    words = ", ".join(f"{name} x {weight:g}" for name, weight in found.weights.items())
    rows = [[number(rank), label] for label, rank in found.rows]
    lacking = f"\n  without a rank under all of them: {', '.join(found.lacking)}" if found.lacking else ""
    return f"weighted mean of ranks, your weights: {words}\n{table(rows, right=(0,), indent=2)}{lacking}"


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
        f"averages closer than {found.critical_difference:.2f} can't be told apart (Nemenyi, 95 %)",
    ]
    lines += [f"  not told apart: {', '.join(found.models[a : b + 1])}" for a, b in found.groups]
    if found.varied:
        lines.append(f"  options or training not the same on all of them: {', '.join(found.varied)}")
    if found.lacking:
        lines.append(f"  not on all of them: {', '.join(found.lacking)}")
    return "\n".join(lines)
