"""What a board is read against: real images are the floor, noise the ceiling, and what is known lies between."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from genkit.data import ImageDataset, Split
from genkit.data.corrupted import blurred, jpeg
from genkit.errors import DataError, OptionsError, Unmeasurable, UsageError
from genkit.evaluation.already_measured import missing
from genkit.evaluation.closed_form import fitted
from genkit.evaluation.evaluate import Evaluation, stored
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.scoring import missing_capability
from genkit.models.base import GenerativeModel
from genkit.options import to_json
from genkit.registry.discovery import CORE
from genkit.results import store
from genkit.results.records import Record, RecordedScore, Subject
from genkit.training.runs import make_model

QUALITY = 10
"""Of JPEG: its blocks are plain to see."""
SHARP = 28
"""An image of so many pixels is blurred by a Gaussian of one pixel, others in proportion."""
MOST_PIXELS = 4_096
"""Of an image that ppca is fit to: its time grows with the cube."""


def baselines(dataset: ImageDataset) -> Iterator[tuple[Subject, GenerativeModel | Split]]:
    """Yield what a board is read against: the test split, the same harmed, and models that nobody trains, unfitted."""
    shape = dataset.info().shape
    sigma = round(min(shape[1:]) / SHARP, 4)
    yield _subject("real test"), dataset.test
    yield _subject("jpeg", quality=QUALITY), jpeg(dataset.test, QUALITY)
    yield _subject("blurred", sigma=sigma), blurred(dataset.test, sigma)
    for name in ("copycat", "ppca", "noise"):
        if name == "ppca" and math.prod(shape) > MOST_PIXELS:
            continue
        with contextlib.suppress(OptionsError):  # an image may have fewer pixels than ppca has components
            model = make_model(f"{CORE}:{name}", {}, dataset.info())
            yield _subject(name, **to_json(model.options)), model


def calibrate(evaluator: Evaluator, folder: Path) -> list[Evaluation]:
    """Measure the baselines, unless ``folder`` holds them already under this protocol.

    Real images stand beside samples only at equal n, so the test split is measured at its own size. Models are fit only
    if something is missing of them.
    """
    known = store.read(folder).records
    dataset = evaluator.dataset
    done = []
    for subject, what in baselines(dataset):
        if not _missing(evaluator, [record for record in known if record.subject == subject], subject.name, what):
            continue
        try:
            if isinstance(what, GenerativeModel):
                with torch.no_grad():
                    model = fitted(what, dataset.train)
                measured = evaluator.measure(subject, model=model)
            else:
                measured = evaluator.measure(subject, images=what, content=dataset.sha256)
        except (Unmeasurable, DataError, UsageError):
            continue  # no requested metric applies to this baseline
        done.append(Evaluation(measured.record, stored(folder, measured)))
    return done


def calibration(folder: Path) -> dict[str, dict[str, RecordedScore]]:
    """Return what ``folder`` holds: the name of each baseline, and its scores by their fingerprints."""
    known: dict[str, dict[str, RecordedScore]] = {}
    for record in store.read(folder).records:
        known.setdefault(record.subject.name, {}).update({score.fingerprint: score for score in record.scores})
    return known


def _subject(name: str, **options: Any) -> Subject:
    return Subject(name, kind="baseline", family="baseline", options=options)


def _missing(evaluator: Evaluator, known: list[Record], name: str, what: GenerativeModel | Split) -> list[str]:
    """Return the columns that no record of this subject has, nor the reason why there is no number."""
    model, count = what if isinstance(what, GenerativeModel) else None, evaluator.config.count
    labelled = isinstance(what, Split) and bool(evaluator.dataset.classes)
    if isinstance(what, Split):
        count = min(count, len(what))
    specs = [
        spec for spec in evaluator.specs if not missing_capability(spec, name, model, labelled=labelled, trained=False)
    ]
    return missing(evaluator, known, specs, model, count)
