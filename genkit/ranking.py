"""Ranks: comparable records become rows with intervals and ties.

Only scores of one fingerprint stand on a board; the rest is listed with the choice that excluded it. Evaluation noise
(one training seed) and training noise (several) are labelled apart, never mixed: where one model has several seeds,
all ranks are by the noise of training, which genkit.significance pools.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev

from genkit import store
from genkit.errors import MissingError, UnknownName
from genkit.protocol import difference
from genkit.records import Record, RecordedScore, Training
from genkit.specs import Direction


@dataclass(frozen=True)
class Row:
    """One entry: a model under one set of options, over all its training seeds.

    ``best`` and ``worst`` bound the rank; None for what calibrates the board. ``noise`` is "evaluation" or "training".
    ``other`` holds the entry's further columns, ``blank`` says of those that it lacks why.
    """

    label: str
    records: tuple[Record, ...]
    score: RecordedScore | None
    value: float | None
    ci_low: float | None
    ci_high: float | None
    noise: str
    seeds: int
    best: int | None = None
    worst: int | None = None
    other: dict[str, RecordedScore] = field(default_factory=dict)
    blank: dict[str, str] = field(default_factory=dict)

    @property
    def rank(self) -> str:
        """``1``, ``2-3`` or an empty string."""
        if self.best is None:
            return ""
        return str(self.best) if self.best == self.worst else f"{self.best}-{self.worst}"


@dataclass(frozen=True, repr=False)
class Board:
    """A ranking by one score of one protocol; it prints as the terminal shows it."""

    dataset: str
    score: str
    direction: Direction
    fingerprint: str
    rows: tuple[Row, ...]
    calibration: tuple[Row, ...]
    columns: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    """Record and reason."""
    problems: tuple[str, ...] = ()
    """Files of the store that can't be read."""

    def __repr__(self) -> str:
        from genkit.report.text import leaderboard

        return leaderboard(self)

    def _repr_html_(self) -> str:
        from genkit.report.html import board_table

        return board_table(self)


def leaderboard(root: Path | str = "runs", *, dataset: str | None = None, score: str | None = None) -> Board:
    """Rank the records below a folder; see ``rank``."""
    contents = store.read(Path(root))
    board = rank(contents.records, dataset=dataset, score=score)
    return dataclasses.replace(board, problems=tuple(contents.problems))


def rank(records: Sequence[Record], *, dataset: str | None = None, score: str | None = None) -> Board:
    """Rank records by a score; without names, by the newest record's data set and its first score.

    Of several protocols the one with the most entries is shown (the newest of equals). Raises MissingError if there
    is nothing to rank and UnknownName for a data set or score that no record has.
    """
    if not records:
        raise MissingError("there are no records yet: genkit eval --model dcgan makes the first")
    records = sorted(records, key=lambda record: record.created)
    dataset = _choose("data set", dataset or _first_models(records)[-1].dataset, [record.dataset for record in records])
    here = [record for record in records if record.dataset == dataset]
    candidates = [record for record in _first_models(here) if record.scores]
    if not candidates:
        raise MissingError(f"no record of {dataset} holds a score")
    names = [s.name for record in candidates for s in reversed(record.scores)]
    score = _choose("score", _of_metric(score, names), names)
    fingerprint = _largest_protocol(candidates, score)
    reference = next(s for r in candidates for s in r.scores if s.name == score and s.fingerprint == fingerprint)
    kept, left_out = _comparable(here, score, reference)
    left_out += [
        (_describe(record), f"measured on {record.dataset}") for record in records if record.dataset != dataset
    ]
    groups = _entries(kept)
    history = _history(here)
    columns = _columns([history[_measured(group[-1])] for group in groups.values()], score)
    entries = []
    for label, group in groups.items():
        found = [_further(history[_measured(record)], columns) for record in group]
        other = _over_seeds([each for each, _ in found])
        blank = {name: why for name, why in found[-1][1].items() if name not in other}
        entries.append(dataclasses.replace(_row(label, group, score), other=other, blank=blank))
    ranked = [row for row in entries if row.value is not None and not _calibrates(row)]
    return Board(
        dataset=dataset,
        score=score,
        direction=reference.direction,
        fingerprint=fingerprint,
        rows=tuple(_with_ranks(ranked, reference.direction, score)),
        calibration=tuple(row for row in entries if _calibrates(row)),
        columns=tuple(columns),
        left_out=tuple(left_out),
    )


def _first_models(records: Sequence[Record]) -> Sequence[Record]:
    """The records of models and images; baselines only where there is nothing else."""
    return [record for record in records if record.subject.kind != "baseline"] or records


def _of_metric(wanted: str | None, names: list[str]) -> str | None:
    """Take a metric's name for the newest of its scores, as ``kid`` for ``kid[digits-cnn]``.

    One at the size of the test split only where there is no other.
    """
    if wanted is None or wanted in names:
        return wanted
    mine = [name for name in names if name.partition("[")[0] == wanted]
    return ([name for name in mine if "@" not in name] or mine or [wanted])[-1]


def _choose(kind: str, wanted: str | None, available: list[str]) -> str:
    if wanted is None:
        return available[-1]
    if wanted not in available:
        names = ", ".join(sorted(set(available)))
        raise UnknownName(kind, wanted, available, f" The records have: {names}")
    return wanted


def _largest_protocol(records: Sequence[Record], score: str) -> str:
    entries: dict[str, set[str]] = defaultdict(set)
    newest: dict[str, str] = {}
    for record in records:
        found = record.score(score)
        if found is not None:
            entries[found.fingerprint] |= {_label(record)} if found.rankable else set()
            newest[found.fingerprint] = record.created
    return max(entries, key=lambda key: (len(entries[key]), newest[key]))


def _measured(record: Record) -> str:
    """What a record is of: weights or images. Its records make one row, whichever of them holds a column."""
    training = record.training
    return repr((_label(record), (training.run, training.seed, training.checkpoint_sha256) if training else ()))


def _history(records: Sequence[Record]) -> dict[str, list[Record]]:
    """All records of each thing measured, the newest first."""
    history: dict[str, list[Record]] = defaultdict(list)
    for record in reversed(records):
        history[_measured(record)].append(record)
    return history


def _columns(histories: Iterable[Sequence[Record]], score: str) -> dict[str, RecordedScore]:
    """The further columns, each with a score of the protocol it shows: the most frequent, the newest of equals."""
    seen: dict[str, dict[str, tuple[int, str]]] = {}
    example: dict[str, RecordedScore] = {}
    for history in histories:
        newest: dict[tuple[str, str], str] = {}
        for record in reversed(history):
            for other in record.scores:
                newest[other.name, other.fingerprint] = record.created
                example[other.fingerprint] = other
        for (name, fingerprint), created in newest.items():
            if name != score:
                column = seen.setdefault(name, {})
                count, last = column.get(fingerprint, (0, ""))
                column[fingerprint] = (count + 1, max(last, created))
    return {name: example[max(column, key=lambda key: column[key])] for name, column in seen.items()}


def _over_seeds(seeds: Sequence[Mapping[str, RecordedScore]]) -> dict[str, RecordedScore]:
    """The further columns of an entry: of several seeds their means, with the interval over seeds."""
    found: dict[str, RecordedScore] = {}
    for name in dict.fromkeys(name for each in seeds for name in each):
        scores = [each[name] for each in seeds if name in each]
        found[name] = scores[-1]
        if len(scores) > 1:
            mean, half = _mean([score.value for score in scores])
            found[name] = dataclasses.replace(
                scores[-1], value=mean, ci_low=mean - half, ci_high=mean + half, method="t over seeds", replicates=()
            )
    return found


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """The mean over seeds, and half of its 95 % interval, Student's."""
    from scipy.special import stdtrit

    return fmean(values), float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / math.sqrt(len(values))


def _further(
    history: Sequence[Record], columns: Mapping[str, RecordedScore]
) -> tuple[dict[str, RecordedScore], dict[str, str]]:
    """The further columns of one row, and of those that it lacks why."""
    other: dict[str, RecordedScore] = {}
    blank: dict[str, str] = {}
    for name, column in columns.items():
        scores = [found for record in history for found in record.scores if found.name == name]
        fitting = next((found for found in scores if found.fingerprint == column.fingerprint), None)
        if fitting is not None:
            other[name] = fitting
        elif scores:
            blank[name] = f"measured otherwise than the column ({_apart(scores[0], column)})"
        else:
            metric = name.partition("[")[0]
            blank[name] = next((r.absent[metric] for r in history if metric in r.absent), "not measured")
    return other, blank


def _comparable(
    records: Sequence[Record], score: str, reference: RecordedScore
) -> tuple[list[Record], list[tuple[str, str]]]:
    kept: dict[tuple[str, int | None], Record] = {}
    left_out: list[tuple[Record, str]] = []
    for record in records:
        found = record.score(score)
        baseline = record.subject.kind == "baseline"
        if found is None and not baseline:
            left_out.append((record, record.absent.get(score.partition("[")[0], f"has no {score}")))
        elif found is not None and found.fingerprint != reference.fingerprint:
            left_out.append((record, _apart(found, reference)))
        elif found is not None and not found.rankable and not baseline:
            left_out.append((record, found.note or "not rankable"))
        else:
            key = _label(record), record.training.seed if record.training else None
            if found is None and key in kept:
                continue
            older = kept.pop(key, None)
            if older is not None and older.score(score) is not None:
                left_out.append((older, f"measured again, or trained again from its seed: {record.id} is newer"))
            kept[key] = record
    shown = {_measured(record) for record in kept.values()}
    return list(kept.values()), [
        (_describe(r), why) for r, why in left_out if r.score(score) or _measured(r) not in shown
    ]


def _apart(one: RecordedScore, other: RecordedScore) -> str:
    """Say which choices set two scores of one name apart."""
    metrics = [{"metric": each.metric, "metric version": each.version} for each in (one, other)]
    return "; ".join(difference(one.choices, other.choices) + difference(*metrics))


def _label(record: Record) -> str:
    """All that makes two records seeds of one entry: model, options and how it was trained."""
    subject, training = record.subject, record.training
    trained = (_budget(training), training.batch, training.processes, training.weights) if training else ()
    made = subject.kind, subject.dist, subject.version, subject.name
    return repr((*made, sorted(subject.options.items()), trained))


def _budget(training: Training) -> str:
    return training.budget if training.finished else f"{training.images:,} images"


def _describe(record: Record) -> str:
    run = f" {record.training.run}" if record.training else ""
    return f"{record.subject.name}{run} ({record.id})"


def _calibrates(row: Row) -> bool:
    return row.records[0].subject.kind == "baseline"


def _entries(records: Sequence[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[_label(record)].append(record)
    names = Counter(group[0].subject.name for group in groups.values())
    entries: dict[str, list[Record]] = {}
    for group in groups.values():
        first = group[0]
        name = first.subject.name
        if names[name] > 1:
            name = f"{name} ({_distinction(first, groups) or first.id})"
        entries[f"{name} {first.id}" if name in entries else name] = group
    return entries


def _distinction(record: Record, groups: dict[str, list[Record]]) -> str:
    """Say what sets an entry apart from its namesakes: the options, budget, batch and weights that differ."""

    def facts(other: Record) -> dict[str, str]:
        known = {key: f"{key}={value}" for key, value in other.subject.options.items()}
        if other.training:
            known |= {"budget": _budget(other.training), "weights": other.training.weights}
            known |= {"batch": f"batch {other.training.batch}", "processes": f"{other.training.processes} processes"}
        return known | {
            "dist": other.subject.dist,
            "version": f"version {other.subject.version}",
            "kind": other.subject.kind,
        }

    namesakes = [facts(group[0]) for group in groups.values() if group[0].subject.name == record.subject.name]
    return ", ".join(text for key, text in facts(record).items() if any(other.get(key) != text for other in namesakes))


def _row(label: str, records: Sequence[Record], name: str) -> Row:
    scores = [found for record in records if (found := record.score(name)) is not None]
    if not scores:
        return Row(label, tuple(records), None, None, None, None, "", len(records))
    if len(scores) == 1:
        only = scores[0]
        return Row(label, tuple(records), only, only.value, only.ci_low, only.ci_high, "evaluation", 1)
    mean, half = _mean([score.value for score in scores])
    return Row(label, tuple(records), scores[-1], mean, mean - half, mean + half, "training", len(scores))


def _with_ranks(rows: list[Row], direction: Direction, name: str) -> list[Row]:
    """Rank rows: a model's rank is certain as far as it differs from others beyond chance, at 95 % for the board."""
    import numpy as np

    from genkit.significance import differ_over_blocks, differ_over_seeds, paired_errors

    sign = 1 if direction == "lower" else -1
    rows = sorted(rows, key=lambda row: sign * (row.value or 0.0))
    if not rows:
        return []
    seeds = [[found.value for record in row.records if (found := record.score(name))] for row in rows]
    if any(len(values) > 1 for values in seeds):
        differ = differ_over_seeds(seeds)
    else:
        scores = [row.score for row in rows if row.score is not None]
        differ = differ_over_blocks(np.array([score.value for score in scores]), *paired_errors(scores))
    better, worse = np.tril(differ).sum(axis=1), np.triu(differ).sum(axis=1)
    return [
        dataclasses.replace(row, best=1 + int(above), worst=len(rows) - int(below))
        for row, above, below in zip(rows, better, worse, strict=True)
    ]
