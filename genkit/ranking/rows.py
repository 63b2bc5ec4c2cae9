"""Rows of a board: the records of one model under one set of options, over its training seeds and checkpoints."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean, geometric_mean

from genkit.options import LATER, current_names, with_later
from genkit.ranking.means import Means
from genkit.results.records import Record, RecordedScore, Training


@dataclass(frozen=True)
class Milestone:
    """The value at one checkpoint of a run, with images seen and seconds of training until then."""

    seed: int
    images: int
    seconds: float
    value: float


@dataclass(frozen=True)
class Row:
    """One entry: a model with one set of options, over all its training seeds.

    ``best_rank`` and ``worst_rank`` bound the rank; None for calibration baselines. ``noise`` is "evaluation" or
    "training". ``other`` holds the scores of the other columns, ``blank`` the reasons for columns without one.
    ``milestones`` are the values at the checkpoints that were measured; only the last one is the result.
    ``geometric``: means over seeds are geometric.
    """

    label: str
    records: tuple[Record, ...]
    score: RecordedScore | None
    value: float | None
    ci_low: float | None
    ci_high: float | None
    noise: str
    seeds: int
    best_rank: int | None = None
    worst_rank: int | None = None
    other: Means = field(default_factory=Means)
    blank: dict[str, str] = field(default_factory=dict)
    milestones: tuple[Milestone, ...] = ()
    geometric: bool = False

    @property
    def rank(self) -> str:
        """``1``, ``2-3`` or an empty string."""
        if self.best_rank is None:
            return ""
        return str(self.best_rank) if self.best_rank == self.worst_rank else f"{self.best_rank}-{self.worst_rank}"

    @property
    def key(self) -> str:
        """Identifies the entry on all boards."""
        return entry_of(self.records[0])

    @property
    def subject(self) -> str:
        """The name of what was evaluated; the label may say more."""
        return self.records[0].subject.name

    def values(self) -> list[RecordedScore]:
        """Return the scores of the seeds."""
        scores = [record.score(self.score.name) for record in self.records] if self.score else []
        return [score for score in scores if score is not None]

    @functools.cached_property
    def evaluation_stderr(self) -> float | None:
        """The part of the value's standard error that is due to evaluation alone."""
        from genkit.ranking.significance import mean_error

        scores = self.values()
        return mean_error(scores) if scores else None

    @functools.cached_property
    def best_milestones(self) -> tuple[Milestone, ...]:
        """The best milestone of each seed's run; none where only last checkpoints were measured."""
        sign = 1 if self.score is None or self.score.direction == "lower" else -1
        seeds = sorted({milestone.seed for milestone in self.milestones})
        return tuple(min((m for m in self.milestones if m.seed == s), key=lambda m: sign * m.value) for s in seeds)

    @property
    def best_value(self) -> float | None:
        """The mean over seeds of the best checkpoints' values: selected by the same score, so biased, not a result."""
        mean = geometric_mean if self.geometric else fmean
        return mean([each.value for each in self.best_milestones]) if self.milestones else None

    @property
    def time_to_best(self) -> float | None:
        """The mean over seeds of the training seconds until the best checkpoint."""
        return fmean(each.seconds for each in self.best_milestones) if self.milestones else None


def entry_of(record: Record) -> str:
    """Identifies a record's entry: model, options and training settings, all but the seed."""
    return _once(record, _entry)


def _once(record: Record, make: Callable[[Record], str]) -> str:
    """Return what a function makes of a record, kept with it: boards ask many times for each of thousands."""
    known = vars(record)
    if make.__name__ not in known:
        known[make.__name__] = make(record)
    found: str = known[make.__name__]
    return found


def _entry(record: Record) -> str:
    subject, training = record.subject, record.training
    trained: tuple[object, ...] = ()
    if training:
        trained = _budget(training), training.batch, training.processes, training.weights
        trained += ("bfloat16",) if training.precision == "bfloat16" else ()
        trained += (sorted(training.tuned.items()),) if training.tuned else ()
    made = subject.kind, subject.dist, subject.version, subject.name
    drawn = (sorted(subject.sampling.items()),) if subject.sampling else ()
    return repr((*made, sorted(current_names(subject.options).items()), trained, *drawn))


def _tuned(training: Training) -> str:
    told = training.tuned
    if not told:
        return "not tuned"
    how = f"lora {told.get('rank')}" if told.get("method") == "lora" else "all weights"
    return f"tuned from {told.get('run')}, {told.get('prompt') or told.get('images')}, {how}"


def _budget(training: Training) -> str:
    return training.budget if training.finished else f"{training.images:,} images"


def describe(record: Record) -> str:
    """Name a record: subject, run and id."""
    run = f" {record.training.run}" if record.training else ""
    return f"{record.subject.name}{run} ({record.id})"


def calibrates(row: Row) -> bool:
    """Whether a row calibrates the board instead of being ranked."""
    return row.records[0].subject.kind == "baseline"


def entries(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Group the seeds of each entry under a unique label."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[entry_of(record)].append(record)
    namesakes: dict[str, list[Record]] = defaultdict(list)
    for group in groups.values():
        namesakes[group[0].subject.name].append(group[0])
    distinctions = {name: _distinctions(firsts) for name, firsts in namesakes.items() if len(firsts) > 1}
    entries: dict[str, list[Record]] = {}
    for group in groups.values():
        first = group[0]
        name = first.subject.name
        if name in distinctions:
            name = f"{name} ({next(distinctions[name]) or first.id})"
        entries[f"{name} {first.id}" if name in entries else name] = group
    return entries


def _distinctions(namesakes: Sequence[Record]) -> Iterator[str]:
    """Yield the options, budget, batch size and weights in which each of several entries of one name is not as all."""
    named = {name for each in namesakes for name in (*each.subject.options, *each.subject.sampling)}

    def facts(record: Record) -> dict[str, str]:
        used = with_later({**current_names(record.subject.options), **record.subject.sampling}, named)
        known = {key: f"{key}={value}" for key, value in used.items()}
        if record.training:
            known |= {"budget": _budget(record.training), "weights": record.training.weights}
            known |= {"batch": f"batch {record.training.batch}", "processes": f"{record.training.processes} processes"}
            known |= {"precision": record.training.precision or "float32", "tuned": _tuned(record.training)}
        return known | {
            "dist": record.subject.dist,
            "version": f"version {record.subject.version}" if record.subject.version else "",
            "kind": record.subject.kind,
        }

    all_facts = [facts(each) for each in namesakes]
    shared = Counter(fact for each in all_facts for fact in each.items())
    for each in all_facts:
        yield ", ".join(text for key, text in each.items() if text and shared[key, text] < len(all_facts))


def split_points(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Split records into those drawn with their run's own options, which boards rank, and those of a sweep."""
    own = [record for record in records if record.at_own_point]
    return own, [record for record in records if not record.at_own_point]


def other_point(record: Record) -> str:
    """Say in which options of drawing a record differs from its run's own."""
    own, used = record.training.sampling if record.training else {}, record.subject.sampling
    changed = [f"{key}={used.get(key, LATER.get(key))}" for key in {**own, **used} if own.get(key) != used.get(key)]
    return f"drawn with {', '.join(changed)}, not with its run's own options"


def weights_key(record: Record) -> str:
    """Identifies the weights or images that a record is of; all records of them fill one row."""
    return _once(record, _weights)


def _weights(record: Record) -> str:
    training = record.training
    return repr((entry_of(record), (training.run, training.seed, training.checkpoint_sha256) if training else ()))
