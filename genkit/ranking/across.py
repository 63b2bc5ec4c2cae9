"""Across data sets: average ranks, and which of them differ beyond chance (Demsar 2006)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from genkit.errors import UsageError
from genkit.options import current_names
from genkit.ranking.board import Board
from genkit.ranking.rows import Row


@dataclass(frozen=True)
class Across:
    """Models that several data sets have, by their average rank, the best first.

    ``p_value`` is Friedman's, of all models being equal. Average ranks further apart than ``critical_difference``
    differ at 95 % (Nemenyi); ``groups`` are the widest runs of places, first and last, that do not. ``lacking`` are
    models that not every data set has, ``varied`` those whose options or training are not the same on all.
    """

    datasets: tuple[str, ...]
    score: str
    models: tuple[str, ...]
    ranks: tuple[tuple[float, ...], ...]
    """Of each model, on each data set."""
    average: tuple[float, ...]
    chi_squared: float
    p_value: float
    critical_difference: float
    groups: tuple[tuple[int, int], ...]
    lacking: tuple[str, ...]
    varied: tuple[str, ...]


def across(boards: Sequence[Board]) -> Across:
    """Compare models over boards of one metric, one for each data set.

    A model is known by its name, as presets differ between data sets, and also by its options where a board has several
    of that name.

    Raises UsageError for fewer than two boards, or fewer than two models that all of them have.
    """
    import numpy as np
    from scipy.special import chdtrc

    from genkit.ranking.significance import LEVEL, studentized_range

    if len(boards) < 2:
        raise UsageError("average ranks are over two data sets or more")
    known_by = _identity(boards)
    found = [{known_by(row): row for row in reversed(board.rows)} for board in boards]
    labels = {known_by(row): row.label for board in reversed(boards) for row in reversed(board.rows)}
    shared = [key for key in labels if all(key in rows for rows in found)]
    if len(shared) < 2:
        raise UsageError(f"{' and '.join(board.dataset for board in boards)} have fewer than two models in common")
    signs = [1 if board.direction == "lower" else -1 for board in boards]
    ranks = np.array(
        [_ranks([s * (rows[key].value or 0.0) for key in shared]) for s, rows in zip(signs, found, strict=True)]
    )
    sets, models = ranks.shape
    average = ranks.mean(axis=0)
    tied = sum(float(np.sum(n**3 - n)) for n in (np.unique(row, return_counts=True)[1] for row in ranks))
    spread = 1 - tied / (sets * (models**3 - models))
    squares = 12 * sets / (models * (models + 1)) * float(np.square(average - (models + 1) / 2).sum())
    chi_squared = squares / spread if spread > 0 else 0.0
    difference = studentized_range(1 - LEVEL, models, math.inf) * math.sqrt(models * (models + 1) / (12 * sets))
    order = np.argsort(average, kind="stable")
    return Across(
        datasets=tuple(board.dataset for board in boards),
        score=boards[0].score.partition("[")[0],
        models=tuple(labels[shared[place]] for place in order),
        ranks=tuple(tuple(map(float, ranks[:, place])) for place in order),
        average=tuple(map(float, average[order])),
        chi_squared=chi_squared,
        p_value=float(chdtrc(models - 1, chi_squared)),
        critical_difference=difference,
        groups=_groups([float(each) for each in average[order]], difference),
        lacking=tuple(label for key, label in labels.items() if key not in shared),
        varied=tuple(labels[key] for key in shared if len({rows[key].key for rows in found}) > 1),
    )


def _identity(boards: Sequence[Board]) -> Callable[[Row], str]:
    """What a row is known by on all of the boards: as little as tells it from its namesakes."""

    def shared(known_by: Callable[[Row], str]) -> set[str]:
        counts = [Counter(known_by(row) for row in board.rows) for board in boards]
        return {name for count in counts for name, number in count.items() if number > 1}

    names, optioned = shared(_name), shared(_options)

    def known_by(row: Row) -> str:
        if _name(row) not in names:
            return _name(row)
        return row.key if _options(row) in optioned else _options(row)

    return known_by


def _name(row: Row) -> str:
    subject = row.records[0].subject
    return repr((subject.kind, subject.dist, subject.name))


def _options(row: Row) -> str:
    return repr((_name(row), sorted(current_names(row.records[0].subject.options).items())))


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, equal values at the mean of theirs."""
    return [(2 * sum(v < value for v in values) + sum(v == value for v in values) + 1) / 2 for value in values]


def _groups(average: Sequence[float], difference: float) -> tuple[tuple[int, int], ...]:
    """The widest runs of sorted averages within the critical difference, those of two or more."""
    found: list[tuple[int, int]] = []
    for first, low in enumerate(average):
        last = max(place for place, each in enumerate(average) if each - low <= difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)
