"""Calibration baselines: from real images, the lower bound of a distance, to noise, with known models between them."""

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
from genkit.evaluation.closed_form import prepare_stages
from genkit.evaluation.evaluate import Evaluation, store_record
from genkit.evaluation.evaluator import Evaluator
from genkit.evaluation.scoring import FailedMetric, missing_capability
from genkit.models.base import GenerativeModel
from genkit.options import to_json
from genkit.registry.discovery import CORE
from genkit.results import store
from genkit.results.records import Record, RecordedScore, Subject
from genkit.training.runs import make_model

QUALITY = 10
"""JPEG quality at which blocks are visible."""
SHARP = 28
"""The side of images that are blurred with a sigma of one pixel; others in proportion."""
MOST_PIXELS = 4_096
"""The largest image that ppca is fitted to, as its time grows with the cube of the number of pixels."""


def baselines(dataset: ImageDataset) -> Iterator[tuple[Subject, GenerativeModel | Split]]:
    """Yield the calibration baselines: the test split, corrupted versions of it, and untrained baseline models."""
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
    """Measure the calibration baselines, and return the new evaluations.

    Records go under ``folder`` (``genkit eval`` uses ``runs/<dataset>/calibration``); what it holds already under this
    protocol is not measured again. Real images are comparable with samples only at equal n, so the test split is
    measured at its own size. Raises GenkitError if a record can't be written.
    """
    known = store.known(folder)
    dataset = evaluator.dataset
    done = []
    for subject, baseline in baselines(dataset):
        if not _missing(evaluator, [record for record in known if record.subject == subject], subject.name, baseline):
            continue
        try:
            if isinstance(baseline, GenerativeModel):
                with torch.no_grad():
                    model = prepare_stages(baseline, dataset.train)
                measured = evaluator.measure(subject, model=model)
            else:
                measured = evaluator.measure(subject, images=baseline, content=dataset.sha256)
        except (Unmeasurable, DataError, UsageError, FailedMetric):
            continue  # no requested metric applies to this baseline
        done.append(Evaluation(measured.record, store_record(folder, measured)))
    return done


def calibration(folder: Path) -> dict[str, dict[str, RecordedScore]]:
    """Return the scores of the baselines in ``folder``, by name and fingerprint."""
    known: dict[str, dict[str, RecordedScore]] = {}
    for record in store.read(folder).records:
        known.setdefault(record.subject.name, {}).update({score.fingerprint: score for score in record.scores})
    return known


def _subject(name: str, **options: Any) -> Subject:
    return Subject(name, kind="baseline", family="baseline", options=options)


def _missing(evaluator: Evaluator, known: list[Record], name: str, baseline: GenerativeModel | Split) -> list[str]:
    """Return the columns for which no record has a score or a reason why there is none."""
    model, count = baseline if isinstance(baseline, GenerativeModel) else None, evaluator.config.count
    labelled = isinstance(baseline, Split) and bool(evaluator.dataset.classes)
    if isinstance(baseline, Split):
        count = min(count, len(baseline))
    specs = [
        spec for spec in evaluator.specs if not missing_capability(spec, name, model, labelled=labelled, trained=False)
    ]
    return missing(evaluator, known, specs, model, count)
