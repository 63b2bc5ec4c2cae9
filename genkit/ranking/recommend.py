"""The best model within limits of latency and training time, as far as the records tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from genkit.errors import MissingError, one_line
from genkit.files.guard import spared
from genkit.ranking.board import Board, rank
from genkit.ranking.datasets import choose_dataset, told_apart
from genkit.ranking.rows import Row
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec
from genkit.results import store
from genkit.results.records import Record

QUALITY = ("fid", "kid", "cmmd")
"""Metrics that rank samples where no score is named: the first that was measured."""
LIKELIHOODS = ("nll", "elbo", "bits_per_dim")
"""Metrics that rank likelihoods: the one that most models have; the tightest bound comes first."""
CONDITIONAL = ("class_accuracy", "fid_per_class", "cas")
"""Metrics of class-conditional models."""
SIMPLEST = ("ppca", "noise")
"""Baselines that a trained model should beat."""


@dataclass(frozen=True, repr=False)
class Recommendation:
    """The models within the limits, ranked on ``board``, and why the others are not on it.

    ``outside`` are models beyond a limit and ``not_comparable`` those measured under another protocol, each with the
    reason. ``untested`` says what the records can't tell. ``beaten_by`` names simple baselines that are at least as
    good as the best model.
    """

    board: Board
    outside: tuple[tuple[str, str], ...]
    not_comparable: tuple[tuple[str, str], ...]
    untested: tuple[str, ...]
    beaten_by: tuple[str, ...]

    @property
    def best(self) -> Row:
        """The recommended model."""
        return self.board.rows[0]

    @property
    def tied(self) -> tuple[Row, ...]:
        """Models within the limits that are not significantly worse than the best."""
        return tuple(row for row in self.board.rows[1:] if row.best_rank == 1)

    @property
    def probability(self) -> float | None:
        """The probability that the best model is better than the second; None if there is no second."""
        return float(self.board.chances[0, 1]) if len(self.board.rows) > 1 else None

    def __repr__(self) -> str:
        best = f"{self.best.label!r}, {self.board.score} {self.best.value:.4g}"
        return one_line(f"Recommendation({best} on {self.board.dataset})")


def recommend(
    root: Path | str = "runs",
    *,
    dataset: str | None = None,
    score: str | None = None,
    latency_ms: float | None = None,
    train_minutes: float | None = None,
    needs: Collection[str] = (),
    unreadable: Callable[[str], None] = lambda problem: None,
) -> Recommendation:
    """Recommend the best model among those measured in ``root``, a folder or an fsspec URL.

    ``dataset`` is that of the newest record by default. ``latency_ms`` limits the time to draw one image,
    ``train_minutes`` the training time. ``needs`` may hold "samples", "likelihood" and "conditional". Models are ranked
    by ``score``, else by likelihood if that is needed, else by the quality of samples. ``unreadable`` is called with a
    sentence for each file that can't be read.

    Raises MissingError, which gives the reasons, if no model is known to be within the limits, DataError if no record
    can be read, and UnknownName for a data set or score that no record has.
    """
    contents = store.read(root)
    contents.check_any()
    for problem in contents.problems:
        unreadable(problem)
    offered = [offer.spec.name for offer in registry().offers(ModelSpec) if offer.spec.family != "baseline"]

    def made(records: Sequence[Record]) -> Recommendation:
        return recommend_from(
            told_apart(records),
            dataset=dataset,
            score=score,
            latency_ms=latency_ms,
            train_minutes=train_minutes,
            needs=needs,
            offered=offered,
        )

    return spared(made, contents.records, lambda record, why: unreadable(store.unusable(record, contents.origins, why)))


def recommend_from(
    records: Sequence[Record],
    *,
    dataset: str | None = None,
    score: str | None = None,
    latency_ms: float | None = None,
    train_minutes: float | None = None,
    needs: Collection[str] = (),
    offered: Collection[str] = (),
) -> Recommendation:
    """Recommend a model from records; see ``recommend``. ``offered`` are the names of all models that exist."""
    models = [record for record in records if record.subject.kind == "model"]
    dataset = choose_dataset(records if dataset is not None else models or records, dataset)
    every = [record for record in records if record.dataset == dataset and record.subject.kind in ("model", "baseline")]
    here = [record for record in every if record.subject.kind == "model"]
    if not here:
        raise MissingError(f"no model has been evaluated on {dataset}: genkit eval --model dcgan evaluates one")
    wanted = score or (_likelihood(here) if "likelihood" in needs else _quality(here))
    board = rank(every, dataset=dataset, score=wanted)
    limits: list[Callable[[Row], str | None]] = []
    if latency_ms is not None:
        limits.append(lambda row: _over_limit(_value(row, "latency"), latency_ms, "latency {:.3g} ms"))
    if train_minutes is not None:
        limits.append(lambda row: _over_limit(_minutes(row), train_minutes, "training {:.3g} minutes"))
    for need, metrics in (("conditional", CONDITIONAL), ("likelihood", LIKELIHOODS)):
        if need in needs:
            limits.append(lambda row, metrics=metrics: _reason_absent(row, metrics))  # type: ignore[misc]
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
        found, untested=tuple(_untested(found, unknown, never)), beaten_by=tuple(_baselines_as_good(found))
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


def _over_limit(value: float | None, limit: float, words: str) -> str | None:
    """The reason why a value is over a limit; empty if it is not, None if the value is unknown."""
    if value is None:
        return None
    return "" if value <= limit else f"{words.format(value)} is above {limit:g}"


def _value(row: Row, name: str) -> float | None:
    return row.other[name].value if name in row.other else None


def _minutes(row: Row) -> float | None:
    seconds = [record.training.seconds for record in row.records if record.training]
    return fmean(seconds) / 60 if seconds else None


def _reason_absent(row: Row, metrics: Sequence[str]) -> str | None:
    """The reason why a model has none of these metrics; empty if it has one, None if none was measured."""
    if {score.metric for record in row.records for score in record.scores} & set(metrics):
        return ""
    return next((r.absent[name] for r in row.records for name in metrics if name in r.absent), None)


def _not_comparable(board: Board, records: Sequence[Record]) -> list[tuple[str, str]]:
    """The models that were measured but have no row, each with its first reason."""
    shown = {row.subject for row in board.rows}
    names = dict.fromkeys(record.subject.name for record in records if record.subject.name not in shown)
    reasons = [(name, why) for name in names for described, why in board.left_out if described.split(" ")[0] == name]
    return list({name: (name, why) for name, why in reversed(reasons)}.values())


def _baselines_as_good(found: Recommendation) -> Iterator[str]:
    """Name the simple baselines that score at least as well as the best model, by a metric of images or likelihoods.

    By cost, or by distance from the training images, noise wins trivially.
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
        lines.append(f"whether within the limits: {', '.join(unknown)}")
    if never:
        lines.append(f"never measured on {found.board.dataset}: {', '.join(never)}")
    if found.best.seeds == 1:
        lines.append(f"other training seeds of {found.best.label}: a single one tells nothing about training noise")
    return lines
