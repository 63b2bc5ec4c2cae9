"""Which scores records hold already, so that nothing is measured twice under one protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.scoring import score_fingerprint
from genkit.models.base import GenerativeModel
from genkit.registry.specs import MetricSpec
from genkit.results.records import Record


def fingerprints(evaluator: Evaluator, spec: MetricSpec, model: GenerativeModel | None, count: int) -> dict[str, str]:
    """Return the fingerprints that a metric's scores of ``count`` samples will have, by column."""
    return {
        planned.name: score_fingerprint(spec, evaluator.protocol(planned.size, model, planned.extractor))
        for planned in evaluator.planned_scores(spec, count)
    }


def missing(
    evaluator: Evaluator,
    known: Sequence[Record],
    specs: Iterable[MetricSpec],
    model: GenerativeModel | None,
    count: int,
) -> list[str]:
    """Return the columns for which no record has a score or a reason why there is none."""
    measured = {score.fingerprint for record in known for score in record.scores}
    names = []
    for planned in [each for spec in specs for each in evaluator.planned_scores(spec, count)]:
        protocol = evaluator.protocol(planned.size, model, planned.extractor)
        choices = dataclasses.asdict(protocol)
        explained = any(
            planned.name in record.absent
            and all(record.protocol.get(group) == choices[group] for group in ("data", "samples", "parameters"))
            for record in known
        )
        if not explained and score_fingerprint(planned.spec, protocol) not in measured:
            names.append(planned.name)
    return names
