"""What a board is read against: the real test split is the floor, noise the ceiling."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from genkit import store
from genkit.errors import DataError, Unmeasurable, UsageError
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.scoring import lacks, score_fingerprint
from genkit.evaluation.subjects import Evaluation, stored
from genkit.model import GenerativeModel
from genkit.records import Record, RecordedScore, Subject
from genkit.registry import CORE
from genkit.runs import make_model


def calibrate(evaluator: Evaluator, folder: Path) -> list[Evaluation]:
    """Measure the real test split and noise, unless ``folder`` holds them already under this protocol.

    Real images stand beside samples only at equal n, so the real test split is measured at its own size.
    """
    known = store.read(folder).records
    dataset = evaluator.dataset
    noise = make_model(f"{CORE}:noise", {}, dataset.info())
    done = []
    for name, model, count in (
        ("real test", None, min(evaluator.measuring.count, len(dataset.test))),
        ("noise", noise, evaluator.measuring.count),
    ):
        if not _missing(evaluator, [record for record in known if record.subject.name == name], name, model, count):
            continue
        subject = Subject(name, kind="baseline", family="baseline")
        try:
            record = evaluator.measure(
                subject, model=model, images=None if model else dataset.test, content=dataset.sha256
            )
        except (Unmeasurable, DataError, UsageError):
            continue  # nothing that was asked for can be measured of it: the board does without
        done.append(Evaluation(record, stored(folder, record)))
    return done


def calibration(folder: Path) -> dict[str, dict[str, RecordedScore]]:
    """Return what ``folder`` holds: the name of each baseline, and its scores by their fingerprints."""
    known: dict[str, dict[str, RecordedScore]] = {}
    for record in store.read(folder).records:
        known.setdefault(record.subject.name, {}).update({score.fingerprint: score for score in record.scores})
    return known


def _missing(
    evaluator: Evaluator, known: list[Record], name: str, model: GenerativeModel | None, count: int
) -> list[str]:
    """Return the columns that no record of this subject has, nor the reason why there is no number."""
    labelled = model is None and bool(evaluator.dataset.classes)
    specs = [spec for spec in evaluator.specs if not lacks(spec, name, model, labelled, trained=False)]
    measured = {score.fingerprint for record in known for score in record.scores}
    missing = []
    for cell in [cell for spec in specs for cell in evaluator.cells(spec, count)]:
        protocol = evaluator.protocol(cell.size, model, cell.extractor)
        choices = dataclasses.asdict(protocol)
        told = any(
            cell.name in record.absent
            and all(record.protocol[group] == choices[group] for group in ("data", "samples", "parameters"))
            for record in known
        )
        if not told and score_fingerprint(cell.spec, protocol) not in measured:
            missing.append(cell.name)
    return missing
