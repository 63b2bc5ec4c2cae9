"""Ranking across data sets: average ranks and which of them differ significantly (Demsar 2006)."""

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
    """The models that all data sets have, by average rank, best first.

    ``p_value`` is that of Friedman's test, whose null hypothesis is that all models are equal. Average ranks that
    differ by more than ``critical_difference`` differ significantly (Nemenyi, 5 %); ``groups`` are the maximal ranges
    of places (first, last) without a significant difference. ``lacking`` are models missing on some data set and
    ``varied`` those whose options or training are not the same on all.
    """

    datasets: tuple[str, ...]
    score: str
    models: tuple[str, ...]
    ranks: tuple[tuple[float, ...], ...]
    """[model][data set]."""
    average: tuple[float, ...]
    chi_squared: float
    p_value: float
    critical_difference: float
    groups: tuple[tuple[int, int], ...]
    lacking: tuple[str, ...]
    varied: tuple[str, ...]


def across(boards: Sequence[Board]) -> Across:
    """Compare models over boards of one metric, one board per data set.

    Models are matched by name, as presets differ between data sets; where a board has several entries of one name, by
    options too. Raises UsageError for fewer than two boards or fewer than two common models.
    """
    import numpy as np
    from scipy.special import chdtrc

    from genkit.ranking.significance import LEVEL
    from genkit.ranking.training_noise import studentized_range

    if len(boards) < 2:
        raise UsageError("average ranks need two data sets or more")
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
    """Return the function that identifies a row on all boards: name, if unique, else options, else all facts."""

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
    """Ranks from 1; ties get the mean of their ranks."""
    return [(2 * sum(v < value for v in values) + sum(v == value for v in values) + 1) / 2 for value in values]


def _groups(average: Sequence[float], difference: float) -> tuple[tuple[int, int], ...]:
    """The maximal ranges of two or more sorted averages within the critical difference."""
    found: list[tuple[int, int]] = []
    for first, low in enumerate(average):
        last = max(place for place, each in enumerate(average) if each - low <= difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)
