"""Explain why two records of one subject differ: change one choice after the other, and measure the score again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genkit.data import ImageDataset
from genkit.errors import DataError, GenkitError, MissingError, UnknownName
from genkit.evaluation.compare import compare
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluate import Evaluation, measure_run
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.other_code import SOURCE, OtherCodeError, code_changes, require_same_code
from genkit.evaluation.reopen import (
    extractor_choices,
    extractor_name,
    image_sets_of,
    read_record,
    refuse_dataset,
    run_of,
    sampling_of_record,
)
from genkit.features.cache import Progress, quiet
from genkit.files.guard import guarded, sentence
from genkit.options import LATER, with_later
from genkit.ranking.datasets import content
from genkit.registry.discovery import registry
from genkit.registry.specs import MetricSpec
from genkit.results.protocol import difference
from genkit.results.protocols import ProtocolPreset
from genkit.results.records import Record, RecordedScore
from genkit.training.run_data import open_run_dataset

OPENING = "opening"
"""The choice of how files of images were read, where two records opened the same files in different ways."""

_REPEATABLE = ("samples.", "features.", "likelihood.seed", "parameters.", OPENING)
"""Choices that can be changed; data and weights are fixed."""


@dataclass(frozen=True)
class Change:
    """A choice, its values in both records, and the score after the change; None if it was not measured again."""

    choice: str
    before: Any
    after: Any
    value: float | None = None


@dataclass(frozen=True)
class Explanation:
    """A score in two records, and the changes that lead from the first to the second, in the order they were made.

    ``start`` is the first score, measured again. The changes add up to the whole difference; another order may divide
    it differently. ``reason`` says why nothing was measured again, or is empty. If a record has no such score,
    ``first`` or ``second`` is None and ``reason`` says why.
    """

    name: str
    first: RecordedScore | None
    second: RecordedScore | None
    changes: tuple[Change, ...] = ()
    start: float | None = None
    reason: str = ""


def explain(
    first: Evaluation | Path | str,
    second: Evaluation | Path | str,
    *,
    metric: str | None = None,
    weights: Path | str | None = None,
    dataset: ImageDataset | Path | str | None = None,
    progress: Progress = quiet,
) -> list[Explanation]:
    """Explain the differences of all scores of two records except times, or of one metric, choice by choice.

    If both are of one checkpoint or one set of images, it is measured again with one choice changed after the other;
    the first is ``opening``, how the files were read, if that differs. ``weights`` is the extractor's file if it needs
    one, ``dataset`` where a run's data is now, if it was moved. For different subjects only the differing choices are
    listed, for a score in only one record the reason. Raises MissingError or DataError for files that are not records,
    UnknownName for a metric that neither record has.
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
    faults: list[str] = []

    def failed(error: BaseException) -> None:
        faults.append(f"it can't be measured again: {sentence(error)}")

    measure, reason, openings = None, "", None
    with guarded(failed, (GenkitError,)):
        measure, reason = _remeasure(paths[0], records[0], records[1], weights, dataset, progress)
        openings = _openings(*records)
    reason = faults.pop() if faults else reason
    explanations = []
    for name in names:
        here, there = one.get(name), other.get(name)
        if here is not None and there is not None:
            with guarded(failed, (GenkitError,)):
                explanations.append(_explained(here, there, openings, measure, reason))
            if faults:
                explanations.append(_explained(here, there, openings, None, faults.pop()))
        else:
            which, record = ("second", records[1]) if there is None else ("first", records[0])
            explanations.append(Explanation(name, here, there, reason=_absent(which, record, known[name])))
    return explanations


def _absent(which: str, record: Record, score: RecordedScore) -> str:
    """Return why a record has no such score: its own reason, or that it was not measured."""
    reason = record.absent.get(score.name, record.absent.get(score.metric, "it was not measured"))
    return f"only in one of them; of the {which} record: {reason}"


def _timed(score: RecordedScore) -> bool:
    """Return whether a score is a measured time, which differs between any two measurements."""
    return any(choice.startswith("hardware.") for choice in score.choices)


Measure = Callable[[RecordedScore, Mapping[str, Any]], float]
"""Measures a score under other choices."""


def _explained(
    first: RecordedScore,
    second: RecordedScore,
    openings: tuple[Mapping[str, Any], Mapping[str, Any]] | None,
    measure: Measure | None,
    reason: str,
) -> Explanation:
    keys = [key for key in dict.fromkeys([*first.choices, *second.choices]) if _differs(first, second, key)]
    changes = [Change(key, first.choices.get(key), second.choices.get(key)) for key in keys]
    if openings is not None:  # what the files hold for a metric follows from how they are read
        changes = [Change(OPENING, *openings), *(each for each in changes if each.choice != "data.sha256")]
    changes += [Change(*each) for each in code_changes(first, second)]
    fixed = [each.choice for each in changes if not each.choice.startswith(_REPEATABLE) or each.choice == SOURCE]
    if first.version != second.version:
        fixed.append("metric version")
    if fixed and not reason:
        reason = f"they differ in {', '.join(fixed)}, which can't be changed here"
    if reason or measure is None or not changes:
        return Explanation(first.name, first, second, tuple(changes), None, reason)
    choices = dict(first.choices)
    if openings is not None:
        choices[OPENING] = openings[0]
    measured = []
    try:
        start = measure(first, choices)
        for change in changes:
            choices[change.choice] = change.after
            measured.append(Change(change.choice, change.before, change.after, measure(first, choices)))
    except OtherCodeError as error:
        return Explanation(first.name, first, second, tuple(changes), None, str(error))
    return Explanation(first.name, first, second, tuple(measured), start)


def _openings(first: Record, second: Record) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Return how two records opened the same files, if they read other images from them; else None."""
    one, other = first.subject.options, second.subject.options
    files = [(each.get("samples"), each.get("reference")) for each in (one, other)]
    if OPENING not in one or OPENING not in other or files[0] != files[1] or one[OPENING] == other[OPENING]:
        return None
    read = [(each.subject.options.get("sha256"), content(each)) for each in (first, second)]
    return None if read[0] == read[1] else (one[OPENING], other[OPENING])


def _differs(one: RecordedScore, other: RecordedScore, key: str) -> bool:
    here, there = ({key: score.choices[key]} if key in score.choices else {} for score in (one, other))
    return bool(difference(here, there))


def _remeasure(
    path: Path,
    first: Record,
    second: Record,
    weights: Path | str | None,
    dataset: ImageDataset | Path | str | None,
    progress: Progress,
) -> tuple[Measure | None, str]:
    """Return a function that measures the subject of two records again, or None and why there is none."""
    if first.training is not None and second.training is not None:
        if (first.training.checkpoint_sha256, first.training.weights) != (
            second.training.checkpoint_sha256,
            second.training.weights,
        ):
            return None, f"they are of different weights: {_described(first)} and {_described(second)}"
        if first.subject.sampling != second.subject.sampling:
            return None, f"they are drawn with other options: {_drawn(first, second)} and {_drawn(second, first)}"
        return _remeasure_run(path, first, weights, dataset, progress)
    refuse_dataset(dataset)
    if _openings(first, second) is not None:
        return _remeasure_images([first, second], weights, progress)
    if first.subject.options.get("sha256", 0) == second.subject.options.get("sha256", 1):
        return _remeasure_images([first], weights, progress)
    return None, f"they are of different subjects: {_described(first)} and {_described(second)}"


def _described(record: Record) -> str:
    name, training = record.subject.name, record.training
    if training is None:
        return f"{name} ({record.subject.options.get('sha256', '')[:12] or 'no hash'})"
    return f"{name} of run {training.run} ({training.weights} weights of checkpoint {training.checkpoint_sha256[:12]})"


def _drawn(record: Record, other: Record) -> str:
    """The options of drawing of a record that are not those of the other one."""
    here, there = (with_later(each.subject.sampling, LATER) for each in (record, other))
    keys = dict.fromkeys([*record.subject.sampling, *other.subject.sampling])
    return ", ".join(f"{key}={here.get(key, 'none')}" for key in keys if here.get(key) != there.get(key))


def _remeasure_run(
    path: Path,
    record: Record,
    weights: Path | str | None,
    dataset: ImageDataset | Path | str | None,
    progress: Progress,
) -> tuple[Measure | None, str]:
    try:
        run, checkpoint = run_of(record, path)
    except MissingError as error:
        return None, str(error)
    data = open_run_dataset(run, dataset)

    def measure(score: RecordedScore, choices: Mapping[str, Any]) -> float:
        evaluator = Evaluator(data, _config(score, choices, weights), progress, keep=True)
        assert record.training is not None
        raw, sampling = record.training.weights == "raw", sampling_of_record(record, run)
        return _value(measure_run(run, evaluator, checkpoint, raw=raw, sampling=sampling).record, score)

    return measure, ""


def _remeasure_images(
    records: list[Record], weights: Path | str | None, progress: Progress
) -> tuple[Measure | None, str]:
    """Return a function that measures the sets of images of these records again, each opened as its record says."""
    try:
        opened = [image_sets_of(record) for record in records]
    except (DataError, MissingError) as error:
        return None, str(error)
    openings = [record.subject.options[OPENING] for record in records]

    def measure(score: RecordedScore, choices: Mapping[str, Any]) -> float:
        config = _config(score, choices, weights)
        samples, reference = opened[openings.index(choices[OPENING]) if OPENING in choices else 0]
        return _value(compare(samples, reference, config, progress=progress, keep=True).record, score)

    return measure, ""


def _config(score: RecordedScore, choices: Mapping[str, Any], weights: Path | str | None) -> EvalConfig:
    """Return the config that measures one score under given choices, without parameters that its metric lacks."""
    groups: dict[str, dict[str, Any]] = {}
    for key, value in choices.items():
        group, _, choice = key.partition(".")
        groups.setdefault(group, {})[choice] = value
    samples, features = groups.get("samples", {}), groups.get("features", {})
    own, schema = groups.get("parameters", {}), registry().find(MetricSpec, score.metric).spec.schema
    rules = ProtocolPreset(
        quantisation=samples.get("quantisation", "round-half-even"),
        features=extractor_choices(features),
        parameters={score.metric: {key: value for key, value in own.items() if key in schema and value is not None}},
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
    again = next((each for each in record.scores if each.metric == score.metric), None)
    if again is None:
        raise DataError(f"{score.name} can't be measured again: {'; '.join(record.absent.values())}")
    require_same_code(score, again)
    return again.value
