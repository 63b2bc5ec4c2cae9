"""Boards: comparable records as ranked rows, with intervals and ties.

Only scores of one fingerprint are ranked together; other records are listed with the choice in which they differ.
Evaluation noise (one training seed) and training noise (several) are never mixed: as soon as one model has several
seeds, all ranks are by training noise, pooled over models in genkit.ranking.training_noise.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genkit.errors import MissingError, UnknownName
from genkit.ranking.columns import choose_columns, differences, fill_columns, histories, mixed_code
from genkit.ranking.datasets import choose, choose_dataset, models_or_baselines
from genkit.ranking.means import Means, mean_over_seeds
from genkit.ranking.milestones import ORPHANED, milestones_of, orphans, split_milestones
from genkit.ranking.rows import Row, calibrates, describe, entries, entry_of, other_point, split_points, weights_key
from genkit.registry.discovery import CORE, registry
from genkit.registry.specs import MetricSpec
from genkit.results.columns import Columns
from genkit.results.records import Record, RecordedScore
from genkit.results.score import Direction

if TYPE_CHECKING:
    from genkit.ranking.significance import Array, Comparison
    from genkit.results.jobs import Outcome

COSTS = ("parameters", "latency", "throughput", "train_seconds")
"""Metrics of cost, not of images."""

UNEQUAL = 0.01
"""Bartlett's p-value below which the variances over seeds count as unequal."""


@dataclass(frozen=True, repr=False)
class Board:
    """A ranking by one score of one protocol. Pure data; ``genkit.report`` renders it."""

    dataset: str
    score: str
    direction: Direction
    fingerprint: str
    rows: tuple[Row, ...]
    calibration: tuple[Row, ...]
    columns: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    """Pairs of a record and the reason."""
    problems: tuple[str, ...] = ()
    """Files of the store that can't be read."""
    failed: tuple[Outcome, ...] = ()
    """Jobs of ``genkit bench`` that failed on this data set."""
    comparison: Comparison | None = field(default=None, compare=False)
    """The statistical comparison behind the ranks, in the order of the rows; None without rows."""

    @functools.cached_property
    def has_milestones(self) -> bool:
        """Whether some rows have milestones."""
        return any(row.milestones for row in self.rows)

    @property
    def unequal_noise(self) -> bool:
        """Whether the models' variances over seeds differ too much to pool (Bartlett's test)."""
        return self.comparison is not None and self.comparison.equal_noise < UNEQUAL

    @functools.cached_property
    def mixed_code(self) -> dict[str, tuple[str, ...]]:
        """The columns whose numbers different code of a plugin has measured, with what code."""
        return mixed_code((*self.rows, *self.calibration), (self.score, *self.columns))

    def subset(self, keys: Collection[str]) -> Board:
        """Return a board of the rows with these keys, ranked again, with the noise estimate of the whole board."""
        places = [place for place, row in enumerate(self.rows) if row.key in keys]
        if self.comparison is None or not places:
            return dataclasses.replace(self, rows=(), comparison=None)
        comparison = self.comparison.subset(places)
        return dataclasses.replace(
            self, rows=_with_ranks([self.rows[place] for place in places], comparison), comparison=comparison
        )

    def best(self, most: int) -> Board:
        """Return a board of the best rows, with the ranks and chances that they have on this one."""
        comparison = self.comparison and self.comparison.subset(range(min(most, len(self.rows))))
        return dataclasses.replace(self, rows=self.rows[:most], comparison=comparison)

    @functools.cached_property
    def chances(self) -> Array:
        """The probability that each row's model is better than each column's, [rows, rows], 0.5 on the diagonal.

        Pairwise, without correction for multiple comparisons, which the ranks have.
        """
        import numpy as np

        sign = 1 if self.direction == "lower" else -1
        return self.comparison.chances(sign) if self.comparison is not None else np.empty((0, 0))

    @functools.cached_property
    def blind_to_memorisation(self) -> tuple[str, ...]:
        """The scores of sample quality, the board's own included, in which copies of training images win."""
        copies = [row for row in self.calibration if row.subject == "copycat"]

        def beaten(name: str) -> bool:
            shown = [found for row in copies if (found := _shown(row, name, self.score))]
            copied = [found for found in shown if "samples.count" in found.choices and found.metric not in COSTS]
            if not copied:
                return False
            others = [value for row in self.rows if (value := _value(row, name, self.score)) is not None]
            if not others:
                return False
            sign = 1 if copied[0].direction == "lower" else -1
            return min(sign * found.value for found in copied) < min(sign * value for value in others)

        return tuple(name for name in (self.score, *self.columns) if beaten(name))


def rank(
    records: Sequence[Record], *, dataset: str | None = None, score: str | None = None, protocol: str | None = None
) -> Board:
    """Rank records by a score; by default on the newest record's data set, by the score that most entries have.

    ``protocol`` is a fingerprint; by default the one with the most entries, then the newest. Over seeds a row's value
    is the geometric mean, or the arithmetic mean if some value is not positive. Raises MissingError if there is nothing
    to rank and UnknownName for a data set, score or protocol that no record has.
    """
    dataset = choose_dataset(records, dataset)
    records = sorted(records, key=lambda record: record.place)
    own, elsewhere = split_points([record for record in records if record.dataset == dataset])
    here, earlier = split_milestones(own)
    candidates = [record for record in models_or_baselines(here) if record.columns.scores]
    if not candidates:
        swept = "of its runs' own options of drawing " if elsewhere else ""
        raise MissingError(f"no record {swept}of {dataset} holds a score")
    if score:
        names = [name for record in candidates for name, *_ in reversed(record.columns.scores)]
        score = choose("score", _of_metric(score, names), names, f" of {dataset}")
    else:
        score = _default_score(candidates, protocol)
    fingerprint = protocol or _largest_protocol(candidates, score)
    reference = next(s for r in here for s in r.scores if s.name == score and s.fingerprint == fingerprint)
    direction = reference.direction
    kept, left_out = _comparable(here, score, reference)
    left_out += [(describe(record), ORPHANED) for record in orphans(kept, earlier, score)]
    left_out += [(describe(record), other_point(record)) for record in elsewhere]
    left_out += [(describe(record), f"measured on {record.dataset}") for record in records if record.dataset != dataset]
    groups = entries(kept)
    history = histories(here)
    newest = [group[-1] for group in groups.values()]
    of_kind = [[each for each in newest if (each.subject.kind == "baseline") is known] for known in (False, True)]
    models, baselines = (choose_columns([history[weights_key(each)] for each in group], score) for group in of_kind)
    columns = {**models, **baselines, **models}  # in this order
    rows = []
    for label, group in groups.items():
        found = [fill_columns(history[weights_key(record)], columns) for record in group]
        other = Means([each for each, _ in found])
        blank = {name: why for name, why in found[-1][1].items() if name not in other}
        reached = milestones_of(group, earlier, score, fingerprint)
        rows.append(dataclasses.replace(_row(label, group, score), other=other, blank=blank, milestones=reached))
    ranked, comparison = _compared([row for row in rows if row.value is not None and not calibrates(row)], direction)
    return Board(
        dataset=dataset,
        score=score,
        direction=direction,
        fingerprint=fingerprint,
        rows=_with_ranks(ranked, comparison) if comparison is not None else (),
        calibration=tuple(row for row in rows if calibrates(row)),
        columns=tuple(columns),
        left_out=tuple(left_out),
        comparison=comparison,
    )


def _default_score(records: Sequence[Record], protocol: str | None) -> str:
    """The score of images that ranks most entries, under ``protocol`` if given.

    Of scores that rank as many, one of genkit's own metrics comes first, then the newest record's first.

    Raises UnknownName if no score has that protocol.
    """
    groups: dict[Columns, set[str]] = defaultdict(set)
    last: dict[Columns, int] = {}
    for number, record in enumerate(records):
        groups[record.columns].add(entry_of(record))
        last[record.columns] = number
    entries: dict[tuple[str, str], set[str]] = defaultdict(set)
    newest: dict[str, Record] = {}
    for columns in sorted(groups, key=last.__getitem__):
        for name, fingerprint, rankable, _ in columns.scores:
            entries[name, fingerprint] |= groups[columns] if rankable else set()
            newest[name] = records[last[columns]]
    having: dict[str, int] = {}
    for (name, fingerprint), ranked in entries.items():
        if protocol in (None, fingerprint):
            having[name] = max(having.get(name, 0), len(ranked))
    if not having:
        raise UnknownName("protocol", str(protocol), {fingerprint for _, fingerprint in entries})
    own = {offer.spec.name for offer in registry().offers(MetricSpec) if offer.plugin.dist == CORE}

    def key(name: str) -> tuple[bool, int, bool, bool, str, int]:
        whole, _, at_test_size = name.partition("@")
        twice = bool(at_test_size) and whole in having
        record = newest[name]
        number, metric = max((each, found.metric) for each, found in enumerate(record.scores) if found.name == name)
        return metric not in COSTS, having[name], metric in own, not twice, record.place, -number

    return max(having, key=key)


def _of_metric(wanted: str, names: list[str]) -> str:
    """Resolve a metric's name to its newest score, such as ``kid`` to ``kid[digits-cnn]``.

    Scores at the size of the test split (``@360``) come last.
    """
    if wanted in names:
        return wanted
    mine = [name for name in names if name.partition("[")[0].lower() == wanted.lower()]
    return ([name for name in mine if "@" not in name] or mine or [wanted])[-1]


def _largest_protocol(records: Sequence[Record], score: str) -> str:
    entries: dict[str, set[str]] = defaultdict(set)
    newest: dict[str, str] = {}
    for record in records:
        found = record.score(score)
        if found is not None:
            entries[found.fingerprint].update([entry_of(record)] if found.rankable else [])
            newest[found.fingerprint] = record.place
    return max(entries, key=lambda key: (len(entries[key]), newest[key]))


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
            left_out.append((record, differences(found, reference)))
        elif found is not None and not found.rankable and not baseline:
            left_out.append((record, found.note or "not rankable"))
        else:
            key = entry_of(record), record.training.seed if record.training else None
            if found is None and key in kept:
                continue
            older = kept.pop(key, None)
            if older is not None and older.score(score) is not None:
                left_out.append((older, f"replaced by {record.id}, a newer record of the same seed"))
            kept[key] = record
    shown = {weights_key(record) for record in kept.values()}
    return list(kept.values()), [
        (describe(r), why) for r, why in left_out if r.score(score) or weights_key(r) not in shown
    ]


def _shown(row: Row, name: str, score: str) -> RecordedScore | None:
    """A row's score in a column; the value is the mean over seeds."""
    if name != score:
        return row.other.get(name)
    return dataclasses.replace(row.score, value=row.value) if row.score and row.value is not None else None


def _value(row: Row, name: str, score: str) -> float | None:
    """A row's value in a column."""
    if name == score:
        return row.value if row.score else None
    return row.other[name].value if name in row.other else None


def _row(label: str, records: Sequence[Record], name: str) -> Row:
    scores = [found for record in records if (found := record.score(name)) is not None]
    if not scores:
        return Row(label, tuple(records), None, None, None, None, "", len(records))
    if len(scores) == 1:
        only = scores[0]
        return Row(label, tuple(records), only, only.value, only.ci_low, only.ci_high, "evaluation", 1)
    mean, half = mean_over_seeds([score.value for score in scores])
    return Row(label, tuple(records), scores[-1], mean, mean - half, mean + half, "training", len(scores))


def _with_ranks(rows: Sequence[Row], comparison: Comparison) -> tuple[Row, ...]:
    """Give rows, best first, their ranks: from 1 + how many are significantly better to n - how many are worse."""
    better, worse = comparison.counts()
    return tuple(
        dataclasses.replace(row, best_rank=1 + int(above), worst_rank=len(rows) - int(below))
        for row, above, below in zip(rows, better, worse, strict=True)
    )


def _compared(rows: Sequence[Row], direction: Direction) -> tuple[list[Row], Comparison | None]:
    """Compare rows and sort them; rows of several seeds get their values and intervals from the comparison."""
    import numpy as np

    from genkit.ranking.significance import EvaluationNoise, paired_errors
    from genkit.ranking.training_noise import TrainingNoise

    if not rows:
        return [], None
    comparison: Comparison
    if any(row.seeds > 1 for row in rows):
        over = comparison = TrainingNoise.of([[score.value for score in row.values()] for row in rows])
        ends, centres = over.intervals().tolist(), over.centres.tolist()
        rows = [
            dataclasses.replace(row, value=centre, ci_low=low, ci_high=high, geometric=over.logarithmic)
            if row.seeds > 1
            else row
            for row, centre, (low, high) in zip(rows, centres, ends, strict=True)
        ]
    else:
        scores = [row.score for row in rows if row.score is not None]
        comparison = EvaluationNoise(np.array([score.value for score in scores], np.float64), *paired_errors(scores))
    order = np.argsort((1 if direction == "lower" else -1) * comparison.centres, kind="stable").tolist()
    return [rows[place] for place in order], comparison.subset(order)
