"""Milestones: what a run had reached on the way to its last checkpoint."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from genkit.data import ImageDataset
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.measuring import Measuring
from genkit.evaluation.subjects import Evaluation, measure_run, stored
from genkit.evidence import Progress, quiet
from genkit.runs import Run


def measure_milestones(
    run: Run, dataset: ImageDataset, measuring: Measuring, folder: Path, progress: Progress = quiet
) -> list[Evaluation]:
    """Measure a run's milestones by the first metric alone and return them, oldest first.

    The records go under ``folder``; beside that of the last checkpoint they are its row's moments.
    """
    paths = run.milestones()
    if not paths:
        return []
    first = Evaluator(dataset, dataclasses.replace(measuring, metrics=_first(measuring)), progress)
    measured = (measure_run(run, first, path) for path in paths)
    return [Evaluation(each.record, stored(folder, each)) for each in measured]


def _first(measuring: Measuring) -> list[str]:
    known = measuring.metrics
    return ["fid"] if known is None or list(known) == ["all"] else list(known)[:1]
