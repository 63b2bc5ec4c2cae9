"""Why two records of one subject differ: the choices are changed one after the other, and the score measured again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genkit.data import open_images
from genkit.downloads import sha256_file
from genkit.errors import DataError, MissingError, UnknownName, UsageError
from genkit.evaluation.evaluate import evaluate_images, measure_run
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.measuring import Measuring
from genkit.evaluation.samples import Progress, quiet
from genkit.results.protocol import difference
from genkit.results.protocols import Preset
from genkit.results.records import Record, RecordedScore, from_json
from genkit.training.api import open_run_dataset
from genkit.training.runs import open_run

_WALKED = ("samples.", "features.", "likelihood.seed", "parameters.")
"""Choices that can be made again; data and weights are what they are."""


_ASKABLE: Mapping[str, tuple[str, ...]] = {
    "inception-torchvision": (),
    "inception": ("resize", "normalisation", "logits", "precision"),
    "dinov2": ("architecture", "resize"),
    "clip": ("architecture", "resize"),
}
"""The choices that extractors offer, by the beginning of their names."""


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
    records = [_read(path) for path in paths]
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


def _read(path: Path) -> Record:
    try:
        return from_json(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise MissingError(f"there is no record {path}") from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error


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
        return _run_again(_home(path), first, weights, progress)
    if first.subject.options.get("sha256", 0) == second.subject.options.get("sha256", 1):
        return _images_again(first, weights, progress)
    return None, f"they are of different subjects: {_described(first)} and {_described(second)}"


def _described(record: Record) -> str:
    name, training = record.subject.name, record.training
    if training is None:
        return f"{name} ({record.subject.options.get('sha256', '')[:12] or 'no hash'})"
    return f"{name} of run {training.run} ({training.weights} weights of checkpoint {training.checkpoint_sha256[:12]})"


def _home(path: Path) -> Path:
    """Return the folder of the run that a record is of: where it lies, or where its printed copy says that it lies."""
    if path.resolve().parent.name != "records":
        path = Path(str(json.loads(path.read_bytes()).get("path", path)))
    return path.resolve().parent.parent


def _run_again(folder: Path, record: Record, weights: Path | None, progress: Progress) -> tuple[Measure | None, str]:
    assert record.training is not None
    try:
        run = open_run(folder)
    except MissingError:
        return None, f"the record does not lie in its run's folder, so run {record.training.run} is not found"
    wanted = record.training.checkpoint_sha256
    checkpoint = next((each for each in (*run.checkpoints(), *run.milestones()) if sha256_file(each) == wanted), None)
    if checkpoint is None:
        return None, f"run {run.path} no longer has the checkpoint that was measured"
    data = open_run_dataset(run)

    def measure(score: RecordedScore, choices: Mapping[str, Any]) -> float:
        evaluator = Evaluator(data, _measuring(score, choices, weights), progress, keep=True)
        assert record.training is not None
        return _value(measure_run(run, evaluator, checkpoint, raw=record.training.weights == "raw").record, score)

    return measure, ""


def _images_again(record: Record, weights: Path | None, progress: Progress) -> tuple[Measure | None, str]:
    origin = record.subject.options
    try:
        if "opening" not in origin:
            return None, "the record does not say where its images are from"
        opening = dict(origin["opening"])
        samples, reference = (open_images(origin[key], **opening) for key in ("samples", "reference"))
    except (KeyError, DataError, MissingError, UsageError) as error:
        return None, f"its images are not found again: {error}"
    if (samples.sha256, reference.sha256) != (origin["sha256"], record.protocol["data"]["sha256"]):
        return None, "its images have changed since"

    def measure(score: RecordedScore, choices: Mapping[str, Any]) -> float:
        asked = _measuring(score, choices, weights)
        return _value(evaluate_images(samples, reference, asked, progress=progress, keep=True).record, score)

    return measure, ""


def _measuring(score: RecordedScore, choices: Mapping[str, Any], weights: Path | None) -> Measuring:
    """Return how to measure one score under given choices."""
    groups: dict[str, dict[str, Any]] = {}
    for key, value in choices.items():
        group, _, choice = key.partition(".")
        groups.setdefault(group, {})[choice] = value
    samples, features = groups.get("samples", {}), groups.get("features", {})
    rules = Preset(
        quantisation=samples.get("quantisation", "round-half-even"),
        features=dict(_asked(features)),
        parameters={score.metric: groups.get("parameters", {})},
    )
    return Measuring(
        metrics=[score.metric],
        features=_asked_name(features) if features else None,
        weights=weights,
        count=samples.get("count", 2),
        chunk=samples.get("chunk", 250),
        seed=samples.get("seed", groups.get("likelihood", {}).get("seed", 0)),
        protocol=rules,
    )


def _asked_name(features: Mapping[str, str]) -> str:
    """The name under which an extractor is asked for: its own is longer if its weights are not the published ones."""
    return features["extractor"].removesuffix(f"-{features['sha256'][:8]}")


def _asked(features: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The choices of an extractor that can be asked for: not all that stand in a record can."""
    known = next((keys for name, keys in _ASKABLE.items() if features["extractor"].startswith(name)), ())
    for key in known:
        if key in features:
            yield key, features[key]


def _value(record: Record, score: RecordedScore) -> float:
    found = next((each for each in record.scores if each.metric == score.metric), None)
    if found is None:
        raise DataError(f"{score.name} can't be measured again: {'; '.join(record.absent.values())}")
    return found.value
