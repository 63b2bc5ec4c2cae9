"""Ranks: comparable records become rows with intervals and ties.

Only scores of one fingerprint stand on a board; the rest is listed with the choice that excluded it. Evaluation noise
(one training seed) and training noise (several) are labelled apart, never mixed: where one model has several seeds,
all ranks are by the noise of training, which genkit.significance pools.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genkit.errors import MissingError, UnknownName
from genkit.ranking.further import apart, columns_of, further, histories, mean_over_seeds, over_seeds
from genkit.ranking.rows import Moment, Row, calibrates, describe, entries, entry_of, measured
from genkit.records import Record, RecordedScore
from genkit.specs import Direction

if TYPE_CHECKING:
    from genkit.outcomes import Outcome
    from genkit.significance import Array, Comparison

COSTS = ("parameters", "latency", "throughput", "train_seconds")
"""Metrics of what a model costs: they say nothing of its images."""


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
    failed: tuple[Outcome, ...] = ()
    """Jobs of a board's file that failed on this data set."""

    @functools.cached_property
    def tracked(self) -> bool:
        """Whether some rows have moments."""
        return any(row.moments for row in self.rows)

    def among(self, rows: Sequence[Row]) -> Board:
        """Return the board of some of its rows, ranked anew: the fewer there are, the surer are their ranks."""
        return dataclasses.replace(self, rows=tuple(_with_ranks(list(rows), self.direction)))

    @functools.cached_property
    def chances(self) -> Array:
        """The chance that each row's model is better than each other's, [rows, rows], as of the noise that ranks them.

        One half on the diagonal. Of each pair by itself: over many pairs the ranks are the careful answer.
        """
        sign = 1 if self.direction == "lower" else -1
        return _comparison(self.rows).chances(sign)

    @functools.cached_property
    def blind(self) -> tuple[str, ...]:
        """The columns of samples' quality, the board's own score too, in which copying training images beats all."""
        copies = next((row for row in self.calibration if row.label == "copycat"), None)
        if copies is None or not self.rows:
            return ()

        def beaten(name: str) -> bool:
            copied, *others = (_shown(row, name, self.score) for row in (copies, *self.rows))
            if copied is None or "samples.count" not in copied.choices or copied.metric in COSTS:
                return False
            sign = 1 if copied.direction == "lower" else -1
            values = [sign * other.value for other in others if other is not None]
            return bool(values) and sign * copied.value < min(values)

        return tuple(name for name in (self.score, *self.columns) if beaten(name))

    def __repr__(self) -> str:
        from genkit.report.text import leaderboard

        return leaderboard(self)

    def _repr_html_(self) -> str:
        from genkit.report.html import board_table

        return board_table(self)


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
    left_out += [(describe(record), f"measured on {record.dataset}") for record in records if record.dataset != dataset]
    kept, earlier = _earlier(kept)
    groups = entries(kept)
    history = histories(here)
    columns = columns_of([history[measured(group[-1])] for group in groups.values()], score)
    rows = []
    for label, group in groups.items():
        found = [further(history[measured(record)], columns) for record in group]
        other = over_seeds([each for each, _ in found])
        blank = {name: why for name, why in found[-1][1].items() if name not in other}
        moments = _moments(group, earlier, score)
        rows.append(dataclasses.replace(_row(label, group, score), other=other, blank=blank, moments=moments))
    ranked = [row for row in rows if row.value is not None and not calibrates(row)]
    return Board(
        dataset=dataset,
        score=score,
        direction=reference.direction,
        fingerprint=fingerprint,
        rows=tuple(_with_ranks(ranked, reference.direction)),
        calibration=tuple(row for row in rows if calibrates(row)),
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
            entries[found.fingerprint] |= {entry_of(record)} if found.rankable else set()
            newest[found.fingerprint] = record.created
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
            left_out.append((record, apart(found, reference)))
        elif found is not None and not found.rankable and not baseline:
            left_out.append((record, found.note or "not rankable"))
        else:
            key = entry_of(record), record.training.seed if record.training else None
            if found is None and key in kept:
                continue
            older = kept.pop(key, None)
            if older is not None and older.score(score) is not None:
                left_out.append((older, f"measured again, or trained again from its seed: {record.id} is newer"))
            kept[key] = record
    shown = {measured(record) for record in kept.values()}
    return list(kept.values()), [
        (describe(r), why) for r, why in left_out if r.score(score) or measured(r) not in shown
    ]


def _earlier(kept: Sequence[Record]) -> tuple[list[Record], dict[str, list[Record]]]:
    """Part the records of runs whose last checkpoint is among them into those, and the ones of earlier checkpoints."""
    ended = {_run(record) for record in kept if record.training and record.training.finished}
    last: list[Record] = []
    earlier: dict[str, list[Record]] = defaultdict(list)
    for record in kept:
        if record.training and not record.training.finished and _run(record) in ended:
            earlier[_run(record)].append(record)
        else:
            last.append(record)
    return last, earlier


def _run(record: Record) -> str:
    subject, training = record.subject, record.training
    assert training is not None
    return repr((subject.dist, subject.name, training.run, training.seed, training.weights))


def _moments(group: Sequence[Record], earlier: Mapping[str, Sequence[Record]], name: str) -> tuple[Moment, ...]:
    """What the runs of an entry had reached when, in the order of images; none where nothing earlier was measured."""
    found = []
    for last in group:
        before = earlier.get(_run(last), ()) if last.training else ()
        for record in (*before, last) if before else ():
            score = record.score(name)
            if record.training is not None and score is not None:
                at = record.training
                found.append(Moment(at.seed, at.images, at.seconds, score.value))
    return tuple(sorted(found, key=lambda moment: (moment.seed, moment.images)))


def _shown(row: Row, name: str, score: str) -> RecordedScore | None:
    """A row's score in a column, its value the mean over seeds."""
    if name != score:
        return row.other.get(name)
    return dataclasses.replace(row.score, value=row.value) if row.score and row.value is not None else None


def _row(label: str, records: Sequence[Record], name: str) -> Row:
    scores = [found for record in records if (found := record.score(name)) is not None]
    if not scores:
        return Row(label, tuple(records), None, None, None, None, "", len(records))
    if len(scores) == 1:
        only = scores[0]
        return Row(label, tuple(records), only, only.value, only.ci_low, only.ci_high, "evaluation", 1)
    mean, half = mean_over_seeds([score.value for score in scores])
    return Row(label, tuple(records), scores[-1], mean, mean - half, mean + half, "training", len(scores))


def _with_ranks(rows: list[Row], direction: Direction) -> list[Row]:
    """Rank rows: a model's rank is certain as far as it differs from others beyond chance, at 95 % for the board."""
    import numpy as np

    from genkit.significance import OverSeeds

    sign = 1 if direction == "lower" else -1
    rows = sorted(rows, key=lambda row: sign * (row.value or 0.0))
    if not rows:
        return []
    comparison = _comparison(rows)
    differ = comparison.differ()
    better, worse = np.tril(differ).sum(axis=1), np.triu(differ).sum(axis=1)
    ranked = [
        dataclasses.replace(row, best=1 + int(above), worst=len(rows) - int(below))
        for row, above, below in zip(rows, better, worse, strict=True)
    ]
    if not isinstance(comparison, OverSeeds):
        return ranked
    intervals = comparison.intervals([row.value or 0.0 for row in rows]).tolist()
    return [
        dataclasses.replace(row, ci_low=low, ci_high=high) if row.seeds > 1 else row
        for row, (low, high) in zip(ranked, intervals, strict=True)
    ]


def _comparison(rows: Sequence[Row]) -> Comparison:
    """How to compare rows: by the noise of training where one has several seeds, else by that of evaluation."""
    import numpy as np

    from genkit.significance import OverBlocks, OverSeeds, paired_errors

    if any(row.seeds > 1 for row in rows):
        return OverSeeds([[score.value for score in row.values()] for row in rows])
    scores = [row.score for row in rows if row.score is not None]
    return OverBlocks(np.array([score.value for score in scores], np.float64), *paired_errors(scores))
