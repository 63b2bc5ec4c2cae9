"""Agreement between metrics: rank correlation of boards, and weighted mean ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genkit.errors import UnknownName, UsageError
from genkit.ranking.board import Board

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genkit.ranking.significance import Array


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau-b of each pair of boards over the models that both have.

    ``counts`` are the numbers of these models; below three there is no tau.
    """

    names: tuple[str, ...]
    taus: tuple[tuple[float | None, ...], ...]
    counts: tuple[tuple[int, ...], ...]


def agreement(boards: Sequence[Board]) -> Agreement:
    """Return the rank correlation of each pair of boards: 1 for the same order, -1 for the opposite one.

    Kendall's tau-b (1945), which accounts for ties.
    """
    import numpy as np

    places = {key: place for place, key in enumerate(dict.fromkeys(row.key for b in boards for row in b.rows))}
    values = np.full((len(boards), len(places)), np.nan)
    for one, board in zip(values, boards, strict=True):
        sign = 1 if board.direction == "lower" else -1
        for row in board.rows:
            if row.value is not None:
                one[places[row.key]] = sign * row.value
    known = ~np.isnan(values)
    shared = [[known[a] & known[b] for b in range(len(boards))] for a in range(len(boards))]
    upper = {
        (a, b): _tau(values[a][both], values[b][both])
        for a, row in enumerate(shared)
        for b, both in enumerate(row)
        if a <= b
    }
    taus = [[upper[min(a, b), max(a, b)] for b in range(len(boards))] for a in range(len(boards))]
    counts = [[int(both.sum()) for both in row] for row in shared]
    return Agreement(tuple(board.score for board in boards), tuple(map(tuple, taus)), tuple(map(tuple, counts)))


def _tau(one: Array, other: Array) -> float | None:
    """Count pairs in n log n steps (Knight 1966)."""
    import numpy as np

    size = len(one)
    if size < 3:
        return None
    first, second = (np.unique(values, return_inverse=True)[1] for values in (one, other))
    both = first * size + second
    tied = [
        int((n * (n - 1) // 2).sum())
        for n in (np.unique(each, return_counts=True)[1] for each in (first, second, both))
    ]
    pairs = size * (size - 1) // 2
    concordant_or_not = pairs - tied[0] - tied[1] + tied[2]
    balance = concordant_or_not - 2 * _inversions(second[np.argsort(both)])
    scale = math.sqrt((pairs - tied[0]) * (pairs - tied[1]))
    return balance / scale if scale else None


def _inversions(ranks: NDArray[np.int64]) -> int:
    """Return how many pairs of integers stand in falling order.

    From the highest bit on, among those alike so far: those with the bit that stand before those without it.
    """
    import numpy as np

    found, bits = 0, int(ranks.max()).bit_length()
    for bit in reversed(range(bits)):
        group, has = ranks >> (bit + 1), ranks >> bit & 1
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        before = np.cumsum(has) - has
        lengths = np.diff(starts, append=len(ranks))
        found += int(((before - np.repeat(before[starts], lengths)) * (1 - has)).sum())
        ranks = ranks[np.argsort(ranks >> bit, kind="stable")]
    return found


@dataclass(frozen=True)
class Overall:
    """Models by the weighted mean of their ranks; ``lacking`` are those that some score does not rank."""

    weights: dict[str, float]
    rows: tuple[tuple[str, float], ...]
    lacking: tuple[str, ...]


def overall(boards: Sequence[Board], weights: Mapping[str, float]) -> Overall:
    """Return the weighted mean rank of each model, best first; a tied rank such as 2-3 counts as its midpoint.

    Only models that all scores rank take part. ``weights`` are by the names of scores or metrics. Raises UsageError for
    a weight that is not positive or a score that is named twice, and UnknownName for a score that is not on the board.
    """
    chosen: dict[str, tuple[Board, float]] = {}
    for name, weight in weights.items():
        board = next((b for b in boards if name in (b.score, b.score.partition("[")[0])), None)
        if board is None:
            known = [each.score.partition("[")[0] for each in boards]
            raise UnknownName("score", name, known, f"  (the board ranks by {', '.join(known)})")
        if not 0 < weight < math.inf:
            raise UsageError(f"the weight of {name} is {weight:g}: give a number above zero")
        if board.score in chosen:
            raise UsageError(f"{board.score} has two weights: give it one")
        chosen[board.score] = board, weight
    labels = {row.key: row.label for board, _ in reversed(chosen.values()) for row in board.rows}
    whole = [key for key in labels if all(any(row.key == key for row in board.rows) for board, _ in chosen.values())]
    means = dict.fromkeys(whole, 0.0)
    total = sum(weight for _, weight in chosen.values())
    for board, weight in chosen.values():
        for row in board.subset(whole).rows:
            means[row.key] += weight / total * ((row.best_rank or 0) + (row.worst_rank or 0)) / 2
    return Overall(
        {name: weight for name, (_, weight) in chosen.items()},
        tuple((labels[key], means[key]) for key in sorted(whole, key=lambda key: means[key])),
        tuple(label for key, label in labels.items() if key not in means),
    )
