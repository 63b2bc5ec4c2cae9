"""Choosing: the best model within limits, as far as the records say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from genkit.errors import MissingError
from genkit.ranking.board import Board, choose_dataset, rank
from genkit.ranking.rows import Row
from genkit.results.records import Record

QUALITY = ("fid", "kid", "cmmd")
"""What samples are ranked by unless a score is named, the first that was measured."""
LIKELIHOODS = ("nll", "elbo", "bits_per_dim")
"""What likelihoods are ranked by: what most models have, the tightest first of equals."""
CONDITIONAL = ("class_accuracy", "fid_per_class", "cas")
"""Metrics that only models that draw classes have."""
SIMPLEST = ("ppca", "noise")
"""Baselines that a model worth its training beats."""


@dataclass(frozen=True)
class Recommendation:
    """The rows within the limits, best first and ranked among themselves, and why the others are not there.

    ``not_comparable`` are models measured under another protocol; ``untested`` says what the records can't tell;
    ``beaten_by`` names the simple baselines that are as good as the best.
    """

    board: Board
    outside: tuple[tuple[str, str], ...]
    not_comparable: tuple[tuple[str, str], ...]
    untested: tuple[str, ...]
    beaten_by: tuple[str, ...]

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
    """Choose among the models within the limits on one image's latency and on training, that do what is needed.

    They are ranked by ``score``, else by their likelihood if that is needed, else by the quality of samples.
    ``offered`` are names of models that could have been measured. Raises MissingError if no model is within the limits,
    naming the nearest reason, and UnknownName as ``rank`` does.
    """
    dataset = choose_dataset(records, dataset)
    every = [record for record in records if record.dataset == dataset and record.subject.kind in ("model", "baseline")]
    here = [record for record in every if record.subject.kind == "model"]
    if not here:
        raise MissingError(f"no model of {dataset} has been measured: genkit eval --model dcgan measures one")
    wanted = score or (_likelihood(here) if "likelihood" in needs else _quality(here))
    board = rank(every, dataset=dataset, score=wanted)
    limits: list[Callable[[Row], str | None]] = []
    if latency_ms is not None:
        limits.append(lambda row: _above(_value(row, "latency"), latency_ms, "latency {:.3g} ms"))
    if train_minutes is not None:
        limits.append(lambda row: _above(_minutes(row), train_minutes, "training {:.3g} minutes"))
    for need, metrics in (("conditional", CONDITIONAL), ("likelihood", LIKELIHOODS)):
        if need in needs:
            limits.append(lambda row, metrics=metrics: _lacks(row, metrics))  # type: ignore[misc]
    within, outside, unknown = [], [], []
    for row in board.rows:
        reasons = [limit(row) for limit in limits]
        known = [reason for reason in reasons if reason]
        if known:
            outside.append((row.label, "; ".join(known)))
        elif None in reasons:
            unknown.append(row.label)
        else:
            within.append(row.key)
    if not within:
        why = "; ".join(f"{label}: {reason}" for label, reason in outside[:3]) or f"untested: {', '.join(unknown)}"
        raise MissingError(f"no model of {dataset} is known to be within the limits ({why})")
    never = sorted(set(offered) - {record.subject.name for record in here})
    found = Recommendation(board.subset(within), tuple(outside), tuple(_not_comparable(board, here)), (), ())
    return dataclasses.replace(
        found, untested=tuple(_untested(found, unknown, never)), beaten_by=tuple(_simpler(found))
    )


def _quality(records: Iterable[Record]) -> str | None:
    names = {score.metric for record in records for score in record.scores}
    return next((name for name in QUALITY if name in names), None)


def _likelihood(records: Sequence[Record]) -> str:
    having = {
        name: len({record.subject.name for record in records if any(s.metric == name for s in record.scores)})
        for name in LIKELIHOODS
    }
    found = max(LIKELIHOODS, key=lambda name: having[name])
    if not having[found]:
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


def _lacks(row: Row, metrics: Sequence[str]) -> str | None:
    """Why a model can't do what these metrics measure, an empty string if it can, None if none was measured."""
    if {score.metric for record in row.records for score in record.scores} & set(metrics):
        return ""
    return next((r.absent[name] for r in row.records for name in metrics if name in r.absent), None)


def _not_comparable(board: Board, records: Sequence[Record]) -> list[tuple[str, str]]:
    """The models that were measured and have no row, each with the first reason."""
    shown = {row.subject for row in board.rows}
    names = dict.fromkeys(record.subject.name for record in records if record.subject.name not in shown)
    reasons = [(name, why) for name in names for described, why in board.left_out if described.split(" ")[0] == name]
    return list({name: (name, why) for name, why in reversed(reasons)}.values())


def _simpler(found: Recommendation) -> Iterator[str]:
    """Name the simplest baselines whose value is no worse than the best model's, by what images or bounds are ranked.

    By costs or the distance from training images noise wins, and says nothing by that.
    """
    if found.board.score.partition("[")[0] not in (*QUALITY, *LIKELIHOODS):
        return
    sign = 1 if found.board.direction == "lower" else -1
    for row in found.board.calibration:
        value, best = row.value, found.best.value
        if row.subject in SIMPLEST and value is not None and best is not None and sign * value <= sign * best:
            yield f"{row.label} ({value:.4g})"


def _untested(found: Recommendation, unknown: Sequence[str], never: Sequence[str]) -> list[str]:
    lines = []
    if unknown:
        lines.append(f"whether it is within the limits: {', '.join(unknown)}")
    if never:
        lines.append(f"never measured on {found.board.dataset}: {', '.join(never)}")
    if found.best.seeds == 1:
        lines.append(f"other training seeds of {found.best.label}: one says nothing of the noise of its training")
    return lines
