"""``genkit.leaderboard``: a board, and comparisons with other scores and data sets of the same records."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from genkit.files.guard import spared
from genkit.ranking.across import Across, across
from genkit.ranking.agreement import Agreement, Overall, agreement, overall
from genkit.ranking.board import COSTS, Board, rank
from genkit.ranking.datasets import told_apart
from genkit.ranking.sweeps import SweepPlot, sweep_plots, sweeps
from genkit.report.measured import measured_at
from genkit.results import store
from genkit.results.jobs import failures
from genkit.results.records import Record

T = TypeVar("T")


@dataclass(frozen=True, repr=False)
class Leaderboard:
    """The result of ``genkit.leaderboard``. Prints as in the terminal; notebooks show a table.

    ``board`` ranks by the requested score. ``elsewhere`` are boards of the same metric on the other data sets.
    ``origins`` maps a record's id to the folder or URL that holds its records and exhibits.
    """

    board: Board
    elsewhere: tuple[Board, ...] = ()
    records: tuple[Record, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    again: Callable[[Sequence[Record]], Leaderboard] | None = field(default=None, compare=False)
    """Makes the leaderboard of other records."""

    @functools.cached_property
    def boards(self) -> tuple[Board, ...]:
        """A board for each score of image quality that two models have, ``board`` first."""
        quality = [name for name in self.board.columns if name.partition("[")[0] not in COSTS and "@" not in name]
        columns = {name: score.fingerprint for row in self.board.rows for name, score in row.other.items()}
        names = [name for name in quality if sum(name in row.other for row in self.board.rows) > 1]
        found = [rank(self.records, dataset=self.board.dataset, score=name, protocol=columns[name]) for name in names]
        return (self.board, *(board for board in found if len(board.rows) > 1))

    @functools.cached_property
    def agreement(self) -> Agreement:
        """How much the scores agree on the order of models (Kendall's tau)."""
        return agreement(self.boards)

    @functools.cached_property
    def across(self) -> Across | None:
        """Average ranks over the requested data sets; None for a single one."""
        return across([self.board, *self.elsewhere]) if self.elsewhere else None

    @functools.cached_property
    def sweep_plots(self) -> tuple[SweepPlot, ...]:
        """Plots of the runs that were measured at several values of their options of drawing."""
        return tuple(sweep_plots(sweeps([each for each in self.records if each.dataset == self.board.dataset])))

    def overall(self, weights: Mapping[str, float]) -> Overall:
        """Return models by the weighted mean of their ranks. There are no default weights, so no default order."""
        return overall(self.boards, weights)

    def html(self) -> str:
        """Return the report, a self-contained HTML page."""
        from genkit.report.page import leaderboard_page

        return self.shown(leaderboard_page)

    def shown(self, render: Callable[[Leaderboard], T]) -> T:
        """Return what ``render`` makes of the leaderboard, without records on which it fails: these become problems."""
        again = self.again
        if again is None:
            return render(self)
        problems: list[str] = []

        def made(records: Sequence[Record]) -> T:
            found = self if len(records) == len(self.records) else again(records)
            board = dataclasses.replace(found.board, problems=(*self.board.problems, *problems))
            return render(self if found is self else dataclasses.replace(found, board=board))

        return spared(
            made, self.records, lambda record, why: problems.append(store.unusable(record, self.origins, why))
        )

    def __repr__(self) -> str:
        from genkit.report.text import leaderboard

        return leaderboard(self.board)

    def _repr_html_(self) -> str:
        from genkit.report.html import board_table

        return board_table(self.board)


def leaderboard(
    root: Path | str = "runs", *, dataset: str | Sequence[str] | None = None, score: str | None = None
) -> Leaderboard:
    """Rank the records of a folder or an fsspec URL.

    ``dataset`` is that of the newest record by default; if several are given, the board is of the first, and models are
    compared over all. A path means the data that was measured there, or that is there now. Several contents of one name
    are told apart as ``NAME@HASH``. ``score`` is a score or metric, by default the one that ranks most entries. Raises
    MissingError if there is nothing to rank, DataError if no record can be read, and UnknownName for a data set or
    score that no record has.
    """
    contents = store.read(root)
    contents.check_any()
    problems = list(contents.problems)
    names: Sequence[str | None] = [dataset] if dataset is None or isinstance(dataset, str) else dataset
    given = list(dict.fromkeys(names)) or [None]
    made = functools.partial(_made, contents, given, score, root, problems)
    with store.without_collection():
        return spared(
            made, contents.records, lambda record, why: problems.append(store.unusable(record, contents.origins, why))
        )


def _made(
    contents: store.StoreContents,
    given: Sequence[str | None],
    score: str | None,
    root: Path | str,
    problems: list[str],
    found: Sequence[Record],
) -> Leaderboard:
    """Make the leaderboard of those records of a store that can be used.

    No closure, which would hold itself: so many records are freed in far less time than a search for cycles takes.
    """
    records = told_apart(found)
    first, *more = (each and measured_at(each, records, root) for each in given)
    board = rank(records, dataset=first, score=score)
    failed = failures(root, [record for record in records if record.dataset == board.dataset])
    metric = board.score.partition("[")[0]
    return Leaderboard(
        dataclasses.replace(board, problems=tuple(problems), failed=failed),
        elsewhere=tuple(rank(records, dataset=name, score=metric) for name in more if name),
        records=tuple(records),
        origins=contents.origins,
        again=functools.partial(_made, contents, given, score, root, problems),
    )
