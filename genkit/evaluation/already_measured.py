"""What records hold already: nothing is measured twice under one protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.scoring import score_fingerprint
from genkit.models.base import GenerativeModel
from genkit.registry.specs import MetricSpec
from genkit.results.records import Record


def fingerprints(evaluator: Evaluator, spec: MetricSpec, model: GenerativeModel | None, count: int) -> dict[str, str]:
    """Return the fingerprints that a metric's scores of ``count`` samples will have, by their columns."""
    cells = evaluator.cells(spec, count)
    return {cell.name: score_fingerprint(spec, evaluator.protocol(cell.size, model, cell.extractor)) for cell in cells}


def missing(
    evaluator: Evaluator,
    known: Sequence[Record],
    specs: Iterable[MetricSpec],
    model: GenerativeModel | None,
    count: int,
) -> list[str]:
    """Return the columns that no record of this subject has, nor the reason why there is no number."""
    measured = {score.fingerprint for record in known for score in record.scores}
    names = []
    for cell in [cell for spec in specs for cell in evaluator.cells(spec, count)]:
        protocol = evaluator.protocol(cell.size, model, cell.extractor)
        choices = dataclasses.asdict(protocol)
        told = any(
            cell.name in record.absent
            and all(record.protocol[group] == choices[group] for group in ("data", "samples", "parameters"))
            for record in known
        )
        if not told and score_fingerprint(cell.spec, protocol) not in measured:
            names.append(cell.name)
    return names
