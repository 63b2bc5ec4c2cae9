"""Estimate how long a board will take, from earlier records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from genkit.results.jobs import Job
from genkit.results.records import Record


def throughputs(records: Iterable[Record]) -> dict[str, float]:
    """Return images trained per second, by model: the median over records of finished training."""
    found: dict[str, list[float]] = defaultdict(list)
    for record in records:
        training = record.training
        if training is not None and training.finished and training.seconds > 0:
            found[record.subject.name].append(training.images / training.seconds)
    return {name: median(rates) for name, rates in found.items()}


def seconds(todo: Sequence[Job], rates: Mapping[str, float]) -> tuple[float, list[str]]:
    """Return the seconds that training will take at these rates, and the models without a known rate."""
    known = sum(job.images / rates[job.model] for job in todo if job.model in rates)
    return known, sorted({job.model for job in todo if job.model not in rates})
