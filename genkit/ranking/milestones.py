"""Milestones: checkpoints measured before a run's last one. They are shown beside it and are never the result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from genkit.ranking.rows import Milestone
from genkit.results.records import Record

ORPHANED = "a milestone of a run without a record of its last checkpoint"


def split_milestones(records: Sequence[Record]) -> tuple[list[Record], dict[str, list[Record]]]:
    """Split records into those of last checkpoints and those of earlier ones, by run.

    Of a run without a record of its end, every measured checkpoint counts as a last one.
    """
    ended = {_run(record) for record in records if record.training and record.training.finished}
    last: list[Record] = []
    earlier: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.training and not record.training.finished and _run(record) in ended:
            earlier[_run(record)].append(record)
        else:
            last.append(record)
    return last, earlier


def milestones_of(
    group: Sequence[Record], earlier: Mapping[str, Sequence[Record]], name: str, fingerprint: str
) -> tuple[Milestone, ...]:
    """Return the milestones of an entry's runs and their last checkpoints, by seed; empty if none was measured."""
    if not earlier:
        return ()
    found = []
    for last in group:
        for record in (*(earlier.get(_run(last), ()) if last.training else ()), last):
            score = record.score(name)
            if record.training is not None and score is not None and score.fingerprint == fingerprint:
                at = record.training
                found.append(Milestone(at.seed, at.images, at.seconds, score.value))
    tracked = len(found) > len(group)
    return tuple(sorted(found, key=lambda milestone: (milestone.seed, milestone.images))) if tracked else ()


def orphans(kept: Sequence[Record], earlier: Mapping[str, Sequence[Record]], name: str) -> list[Record]:
    """Records of milestones with the score, of runs whose last checkpoint is not on the board."""
    if not earlier:
        return []
    runs = {_run(record) for record in kept if record.training}
    return [each for run, group in earlier.items() if run not in runs for each in group if each.score(name)]


def _run(record: Record) -> str:
    subject, training = record.subject, record.training
    assert training is not None
    return repr((subject.dist, subject.name, training.run, training.seed, training.weights))
