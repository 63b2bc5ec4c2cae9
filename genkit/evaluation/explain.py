"""Why two records of one subject differ: the choices are changed one after the other, and the score measured again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genkit.errors import DataError, MissingError, UnknownName
from genkit.evaluation.compare import compare
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluate import measure_run
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.reopen import extractor_choices, extractor_name, image_sets_of, read_record, run_of
from genkit.features.cache import Progress, quiet
from genkit.results.protocol import difference
from genkit.results.protocols import ProtocolPreset
from genkit.results.records import Record, RecordedScore
from genkit.training.api import open_run_dataset

_WALKED = ("samples.", "features.", "likelihood.seed", "parameters.")
"""Choices that can be made again; data and weights are what they are."""


@dataclass(frozen=True)
class Change:
    """One choice changed, from what to what, and the score after it; None where it was not measured again."""

    choice: str
    before: Any
    after: Any
    value: float | None = None


@dataclass(frozen=True)
class Explanation:
    """A score in two records, and the changes that lead from the first to the second, in the order they were made.

    ``start`` is the first score measured again. The sum of the changes is the whole difference; another order may
    share it out otherwise. ``reason`` says why nothing was measured again, or is empty. ``first`` or ``second`` is None
    where that record has no such score; ``reason`` is then why.
    """

    name: str
    first: RecordedScore | None
    second: RecordedScore | None
    changes: tuple[Change, ...] = ()
    start: float | None = None
    reason: str = ""


def explain(
    first: Path | str,
    second: Path | str,
    *,
    metric: str | None = None,
    weights: Path | None = None,
    progress: Progress = quiet,
) -> list[Explanation]:
    """Explain the differences of all scores of two records but times, or of one metric's, choice by choice.

    Records of one checkpoint, or of one set of images, are measured again with one choice changed after the other;
    ``weights`` is the extractor's file where they need one. Records of two subjects get their differing choices only,
    a score that only one record has the reason.
    Raises MissingError or DataError for files that are no records, UnknownName for a metric that neither has.
    """
    paths = Path(first), Path(second)
    records = [read_record(path) for path in paths]
    one, other = ({score.name: score for score in record.scores} for record in records)
    known = {**one, **other}
    names = [
        name
        for name, score in known.items()
        if metric in (name, score.metric) or (metric is None and not _timed(score))
    ]
    if not names:
        raise UnknownName("score in either record", metric or "-", known)
    measure, reason = _again(paths[0], records[0], records[1], weights, progress)
    found = []
    for name in names:
        here, there = one.get(name), other.get(name)
        if here is not None and there is not None:
            found.append(_explained(here, there, measure, reason))
        else:
            which, record = ("second", records[1]) if there is None else ("first", records[0])
            found.append(Explanation(name, here, there, reason=_lacking(which, record, known[name])))
    return found


def _lacking(which: str, record: Record, score: RecordedScore) -> str:
    """Why a record has no such score: as it says itself, or because it was not asked for."""
    reason = record.absent.get(score.name, record.absent.get(score.metric, "it was not measured"))
    return f"only in one of them; of the {which} record: {reason}"


def _timed(score: RecordedScore) -> bool:
    """Whether a score is a measured time: two of those differ by the noise of the machine."""
    return any(choice.startswith("hardware.") for choice in score.choices)


Measure = Callable[[RecordedScore, Mapping[str, Any]], float]
"""A score under other choices."""


def _explained(first: RecordedScore, second: RecordedScore, measure: Measure | None, reason: str) -> Explanation:
    keys = [key for key in dict.fromkeys([*first.choices, *second.choices]) if _differs(first, second, key)]
    changes = [Change(key, first.choices.get(key), second.choices.get(key)) for key in keys]
    fixed = [change.choice for change in changes if not change.choice.startswith(_WALKED)]
    if first.version != second.version:
        fixed.append("metric version")
    if fixed and not reason:
        reason = f"they differ in {', '.join(fixed)}, which can't be changed here"
    if reason or measure is None or not changes:
        return Explanation(first.name, first, second, tuple(changes), None, reason)
    choices = dict(first.choices)
    start = measure(first, choices)
    walked = []
    for change in changes:
        choices[change.choice] = change.after
        walked.append(Change(change.choice, change.before, change.after, measure(first, choices)))
    return Explanation(first.name, first, second, tuple(walked), start)


def _differs(one: RecordedScore, other: RecordedScore, key: str) -> bool:
    here, there = ({key: score.choices[key]} if key in score.choices else {} for score in (one, other))
    return bool(difference(here, there))


def _again(
    path: Path, first: Record, second: Record, weights: Path | None, progress: Progress
) -> tuple[Measure | None, str]:
    """Return how the subject of two records is measured again, or why it can't be."""
    if first.training is not None and second.training is not None:
        if (first.training.checkpoint_sha256, first.training.weights) != (
            second.training.checkpoint_sha256,
            second.training.weights,
        ):
            return None, f"they are of different weights: {_described(first)} and {_described(second)}"
        return _run_again(path, first, weights, progress)
    if first.subject.options.get("sha256", 0) == second.subject.options.get("sha256", 1):
        return _images_again(first, weights, progress)
    return None, f"they are of different subjects: {_described(first)} and {_described(second)}"


def _described(record: Record) -> str:
    name, training = record.subject.name, record.training
    if training is None:
        return f"{name} ({record.subject.options.get('sha256', '')[:12] or 'no hash'})"
    return f"{name} of run {training.run} ({training.weights} weights of checkpoint {training.checkpoint_sha256[:12]})"


def _run_again(path: Path, record: Record, weights: Path | None, progress: Progress) -> tuple[Measure | None, str]:
    try:
        run, checkpoint = run_of(record, path)
    except MissingError as error:
        return None, str(error)
    data = open_run_dataset(run)

    def measure(score: RecordedScore, choices: Mapping[str, Any]) -> float:
        evaluator = Evaluator(data, _config(score, choices, weights), progress, keep=True)
        assert record.training is not None
        return _value(measure_run(run, evaluator, checkpoint, raw=record.training.weights == "raw").record, score)

    return measure, ""


def _images_again(record: Record, weights: Path | None, progress: Progress) -> tuple[Measure | None, str]:
    try:
        samples, reference = image_sets_of(record)
    except (DataError, MissingError) as error:
        return None, str(error)

    def measure(score: RecordedScore, choices: Mapping[str, Any]) -> float:
        config = _config(score, choices, weights)
        return _value(compare(samples, reference, config, progress=progress, keep=True).record, score)

    return measure, ""


def _config(score: RecordedScore, choices: Mapping[str, Any], weights: Path | None) -> EvalConfig:
    """Return how to measure one score under given choices."""
    groups: dict[str, dict[str, Any]] = {}
    for key, value in choices.items():
        group, _, choice = key.partition(".")
        groups.setdefault(group, {})[choice] = value
    samples, features = groups.get("samples", {}), groups.get("features", {})
    rules = ProtocolPreset(
        quantisation=samples.get("quantisation", "round-half-even"),
        features=extractor_choices(features),
        parameters={score.metric: groups.get("parameters", {})},
    )
    return EvalConfig(
        metrics=[score.metric],
        features=extractor_name(features) if features else None,
        weights=weights,
        count=samples.get("count", 2),
        chunk=samples.get("chunk", 250),
        seed=samples.get("seed", groups.get("likelihood", {}).get("seed", 0)),
        protocol=rules,
    )


def _value(record: Record, score: RecordedScore) -> float:
    found = next((each for each in record.scores if each.metric == score.metric), None)
    if found is None:
        raise DataError(f"{score.name} can't be measured again: {'; '.join(record.absent.values())}")
    return found.value
