"""Milestones: the scores of a run's earlier checkpoints."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

from genkit.errors import GenkitWarning, MissingError, UsageError
from genkit.evaluation.already_measured import fingerprints, missing
from genkit.evaluation.closed_form import last_trained_stage, load_for_evaluation
from genkit.evaluation.evaluate import store_record, subject_of, training_of
from genkit.evaluation.evaluator import Evaluator, Measurement
from genkit.evaluation.samples import draws_classes
from genkit.evaluation.scoring import missing_capability
from genkit.models.base import GenerativeModel
from genkit.registry.specs import MetricSpec
from genkit.results import store
from genkit.results.records import Record, RecordedScore
from genkit.training.origin import weights_of
from genkit.training.runs import Run, checkpoint_meta


class MilestoneScore(NamedTuple):
    """The score of a milestone, after so many training images."""

    images: int
    score: RecordedScore


def measure_milestones(run: Run, evaluator: Evaluator, folder: Path, *, raw: bool = False) -> list[MilestoneScore]:
    """Measure a run's milestones by the first of the evaluator's metrics that applies to the model, oldest first.

    The records are stored in ``folder``, without exhibits, unless it holds them already; boards show them in the row of
    the last checkpoint. Milestones from before a stage that is trained are left out, with a GenkitWarning. Raises
    MissingError for a run without milestones, UsageError if no metric applies.
    """
    paths = run.milestones()
    if not paths:
        raise MissingError(f"run {run.path} has no milestones: genkit train --milestones keeps them")
    model = run.make_model()
    spec = _first(evaluator, run.config.model, model)
    trained = last_trained_stage(model)
    whole = [path for path in paths if checkpoint_meta(path)["stage"] >= trained]
    if len(whole) < len(paths):
        warnings.warn(
            f"{len(paths) - len(whole)} of {len(paths)} milestones of run {run.path} are not measured: "
            f"{run.config.model} had a stage of its training still to come",
            GenkitWarning,
            stacklevel=2,
        )
    known = store.known(folder / "records")
    return [_milestone_score(run, path, evaluator, spec, weights_of(model, raw), folder, known) for path in whole]


def _first(evaluator: Evaluator, name: str, model: GenerativeModel) -> MetricSpec:
    """Return the first metric that applies to the model, beginning with FID if none is named."""
    labelled = draws_classes(model, evaluator.against) and bool(evaluator.dataset.classes)
    reasons = []
    specs = evaluator.specs
    if evaluator.config.wanted is None:
        specs = sorted(specs, key=lambda spec: spec.name != "fid")
    for spec in specs:
        reason = missing_capability(spec, name, model, labelled=labelled, trained=True)
        if not reason:
            return spec
        reasons.append(f"{spec.name} ({reason})")
    raise UsageError(f"the milestones have none of the metrics {', '.join(reasons)}: name one that the model can have")


def _milestone_score(
    run: Run, path: Path, evaluator: Evaluator, spec: MetricSpec, weights: str, folder: Path, known: list[Record]
) -> MilestoneScore:
    training = training_of(run, path, weights)
    count, unfitted = evaluator.config.count, run.make_model()
    of_it = [
        record
        for record in known
        if record.training
        and record.at_own_point
        and (record.training.checkpoint_sha256, record.training.weights) == (training.checkpoint_sha256, weights)
    ]
    wanted = set(fingerprints(evaluator, spec, unfitted, count).values())
    scores = [score for record in of_it for score in record.scores if score.fingerprint in wanted]
    if not scores or missing(evaluator, of_it, [spec], unfitted, count):
        model = load_for_evaluation(run, path, evaluator.dataset.train, evaluator.device, raw=weights == "raw")
        record = evaluator.measure_one(spec, subject_of(run, model), model, training)
        store_record(folder, Measurement(record, {}), run)
        scores = [*record.scores]
    return MilestoneScore(training.images, scores[0])
