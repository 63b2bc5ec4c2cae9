"""Choosing: the best model within limits, as far as the records say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from statistics import fmean

from genkit.errors import MissingError
from genkit.ranking.board import Board, rank
from genkit.ranking.rows import Row
from genkit.records import Record

NEEDS = ("samples", "likelihood", "conditional")
LIKELIHOODS = ("nll", "elbo", "bits_per_dim")
"""Metrics to rank by where a likelihood is needed, the tightest first."""
CONDITIONAL = ("class_accuracy", "fid_per_class", "cas")
"""Metrics that only models that draw classes have."""


@dataclass(frozen=True)
class Recommendation:
    """The rows within the limits, best first and ranked among themselves, and why the others are not there.

    ``untested`` says what the records can't tell: models without a number, limits that were not measured.
    """

    board: Board
    outside: tuple[tuple[str, str], ...]
    untested: tuple[str, ...]

    @property
    def best(self) -> Row:
        """The model recommended."""
        return self.board.rows[0]

    @property
    def rivals(self) -> tuple[Row, ...]:
        """Those within the limits that can't be told apart from the best."""
        return tuple(row for row in self.board.rows[1:] if row.best == 1)

    @property
    def certain(self) -> float | None:
        """The chance that the best is better than the runner-up; None if there is none."""
        return float(self.board.chances[0, 1]) if len(self.board.rows) > 1 else None


def recommend(
    records: Sequence[Record],
    *,
    dataset: str | None = None,
    score: str | None = None,
    latency_ms: float | None = None,
    train_minutes: float | None = None,
    needs: Collection[str] = (),
    offered: Collection[str] = (),
) -> Recommendation:
    """Choose by a score, or by what is needed, among the models within the limits on one image's latency and training.

    ``offered`` are names of models that could have been measured. Raises MissingError if no model is within the limits,
    naming the nearest reason, and UnknownName as ``rank`` does.
    """
    board = rank(records, dataset=dataset, score=score or (_likelihood(records) if "likelihood" in needs else None))
    limits: list[Callable[[Row], str | None]] = []
    if latency_ms is not None:
        limits.append(lambda row: _above(_value(row, "latency"), latency_ms, "latency {:.3g} ms"))
    if train_minutes is not None:
        limits.append(lambda row: _above(_minutes(row), train_minutes, "training {:.3g} minutes"))
    if "conditional" in needs:
        limits.append(_draws_no_classes)
    within, outside, unknown = [], [], []
    for row in board.rows:
        reasons = [limit(row) for limit in limits]
        known = [reason for reason in reasons if reason]
        if known:
            outside.append((row.label, "; ".join(known)))
        elif None in reasons:
            unknown.append(row.label)
        else:
            within.append(row)
    if not within:
        why = "; ".join(f"{label}: {reason}" for label, reason in outside[:3]) or f"untested: {', '.join(unknown)}"
        raise MissingError(f"no model of {board.dataset} is known to be within the limits ({why})")
    found = board.among(within)
    return Recommendation(found, tuple(outside), tuple(_untested(found, unknown, offered)))


def _likelihood(records: Sequence[Record]) -> str:
    names = {score.metric for record in records for score in record.scores}
    found = next((name for name in LIKELIHOODS if name in names), None)
    if found is None:
        raise MissingError("no record has a likelihood: measure nll, elbo or bits_per_dim")
    return found


def _above(value: float | None, limit: float, words: str) -> str | None:
    """Why a value is outside a limit, an empty string if it is within, None if it is not known."""
    if value is None:
        return None
    return "" if value <= limit else f"{words.format(value)} is above {limit:g}"


def _value(row: Row, name: str) -> float | None:
    return row.other[name].value if name in row.other else None


def _minutes(row: Row) -> float | None:
    seconds = [record.training.seconds for record in row.records if record.training]
    return fmean(seconds) / 60 if seconds else None


def _draws_no_classes(row: Row) -> str | None:
    metrics = {score.metric for record in row.records for score in record.scores}
    if metrics & set(CONDITIONAL):
        return ""
    return next((r.absent[name] for r in row.records for name in CONDITIONAL if name in r.absent), None)


def _untested(board: Board, unknown: Sequence[str], offered: Collection[str]) -> list[str]:
    lines = []
    if unknown:
        lines.append(f"whether it is within the limits: {', '.join(unknown)}")
    measured = {row.records[0].subject.name for row in board.rows} | {name.partition(" ")[0] for name in unknown}
    never = sorted(set(offered) - measured)
    if never:
        lines.append(f"without a {board.score} on {board.dataset} within the limits: {', '.join(never)}")
    if board.rows[0].seeds == 1:
        lines.append("other training seeds: one seed says nothing of the noise of training")
    return lines
