"""Which scores records hold already, so that nothing is measured twice under one protocol."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence

from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.scoring import score_fingerprint
from genkit.files.guard import guarded
from genkit.models.base import GenerativeModel
from genkit.registry.specs import MetricSpec
from genkit.results.protocol import Protocol
from genkit.results.records import Record

_PASSING = re.compile("it failed: (OSError|TimeoutError)")
"""What a record says of a metric that the disk failed, which may be measured another time."""


def fingerprints(evaluator: Evaluator, spec: MetricSpec, model: GenerativeModel | None, count: int) -> dict[str, str]:
    """Return the fingerprints that a metric's scores of ``count`` samples will have, by column.

    A score that can have none has an empty one, and the metric says why when it is measured.
    """
    return {
        planned.name: _fingerprint(spec, evaluator.protocol(planned.size, model, planned.extractor))
        for planned in evaluator.planned_scores(spec, count)
    }


def _fingerprint(spec: MetricSpec, protocol: Protocol) -> str:
    with guarded(lambda error: None):  # it depends on a group of choices that does not exist
        return score_fingerprint(spec, protocol)
    return ""


def missing(
    evaluator: Evaluator,
    known: Sequence[Record],
    specs: Iterable[MetricSpec],
    model: GenerativeModel | None,
    count: int,
) -> list[str]:
    """Return the columns for which no record has a score or a lasting reason why there is none."""
    measured = {score.fingerprint for record in known for score in record.scores}
    names = []
    for planned in [each for spec in specs for each in evaluator.planned_scores(spec, count)]:
        protocol = evaluator.protocol(planned.size, model, planned.extractor)
        choices = dataclasses.asdict(protocol)
        explained = any(
            planned.name in record.absent
            and not _PASSING.match(record.absent[planned.name])
            and all(record.protocol.get(group) == choices[group] for group in ("data", "samples", "parameters"))
            for record in known
        )
        if not explained and _fingerprint(planned.spec, protocol) not in measured:
            names.append(planned.name)
    return names
