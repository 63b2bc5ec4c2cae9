"""The leaderboard: the board asked for, and what the other scores, metrics and data sets of its records say."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from genkit.ranking.across import Across, across
from genkit.ranking.agreement import Agreement, Overall, agreement, overall
from genkit.ranking.board import COSTS, Board, rank
from genkit.results import store
from genkit.results.jobs import failures
from genkit.results.records import Record


@dataclass(frozen=True, repr=False)
class Leaderboard:
    """What ``genkit.leaderboard`` returns; it prints as the terminal shows it, and notebooks show it as a table.

    ``board`` ranks by the score asked for. ``elsewhere`` are the boards of the same metric on further data sets,
    ``origins`` the folders, by records' ids, beside which their exhibits lie.
    """

    board: Board
    elsewhere: tuple[Board, ...] = ()
    records: tuple[Record, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

    @functools.cached_property
    def boards(self) -> tuple[Board, ...]:
        """A board for each score of the data set that says something of images and two models have; ours first."""
        quality = [name for name in self.board.columns if name.partition("[")[0] not in COSTS and "@" not in name]
        columns = {name: score.fingerprint for row in self.board.rows for name, score in row.other.items()}
        names = [name for name in quality if sum(name in row.other for row in self.board.rows) > 1]
        found = [rank(self.records, dataset=self.board.dataset, score=name, protocol=columns[name]) for name in names]
        return (self.board, *(board for board in found if len(board.rows) > 1))

    @functools.cached_property
    def agreement(self) -> Agreement:
        """How much the scores agree on the order of models."""
        return agreement(self.boards)

    @functools.cached_property
    def across(self) -> Across | None:
        """Average ranks over the data sets asked for; None for one data set."""
        return across([self.board, *self.elsewhere]) if self.elsewhere else None

    def overall(self, weights: Mapping[str, float]) -> Overall:
        """Return models by the weighted mean of their ranks; without weights of yours there is no overall order."""
        return overall(self.boards, weights)

    def html(self) -> str:
        """Return the report: one self-contained page."""
        from genkit.report.page import leaderboard_page

        return leaderboard_page(self)

    def __repr__(self) -> str:
        from genkit.report.text import leaderboard

        return leaderboard(self.board)

    def _repr_html_(self) -> str:
        from genkit.report.html import board_table

        return board_table(self.board)


def leaderboard(
    root: Path | str = "runs", *, dataset: str | Sequence[str] | None = None, score: str | None = None
) -> Leaderboard:
    """Rank the records of a folder or an fsspec URL; see ``genkit.ranking.rank`` for what is raised.

    Of several data sets the first is the board, and models are compared over all of them.
    """
    contents = store.read(root)
    first, *more = [dataset] if dataset is None or isinstance(dataset, str) else dict.fromkeys(dataset) or [None]
    board = rank(contents.records, dataset=first, score=score)
    metric = board.score.partition("[")[0]
    failed = failures(root, [record for record in contents.records if record.dataset == board.dataset])
    return Leaderboard(
        dataclasses.replace(board, problems=tuple(contents.problems), failed=failed),
        elsewhere=tuple(rank(contents.records, dataset=name, score=metric) for name in more),
        records=tuple(contents.records),
        origins=contents.origins,
    )
