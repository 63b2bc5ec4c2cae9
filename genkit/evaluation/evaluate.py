"""From a run, or a set of images, to a stored record."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genkit.data import ImageDataset, Split, open_images
from genkit.data.open import located
from genkit.downloads import sha256_file
from genkit.errors import DataError, GenkitError, UnknownName, Unmeasurable, UsageError
from genkit.evaluation.closed_form import as_ended
from genkit.evaluation.evaluator import Evaluator, Measured
from genkit.evaluation.exhibits import curves
from genkit.evaluation.measuring import COUNT, Measuring
from genkit.evaluation.samples import Progress, quiet
from genkit.features import own_extractor
from genkit.models.base import GenerativeModel
from genkit.registry.discovery import registry
from genkit.results import store
from genkit.results.records import Record, Subject, Training
from genkit.training.api import open_run_dataset
from genkit.training.runs import Run, checkpoint_meta, open_run


@dataclass(frozen=True, repr=False)
class Evaluation:
    """A record and the file it was written to; it prints as its table of scores."""

    record: Record
    path: Path | None = None

    def __repr__(self) -> str:
        from genkit.report.text import scores

        return f"{self.record.subject.name} on {self.record.dataset}\n{scores(self.record)}"

    def _repr_html_(self) -> str:
        from genkit.report.html import score_table

        return score_table(self.record)


def evaluate(
    run: Run | Path | str,
    measuring: Measuring | None = None,
    *,
    evaluator: Evaluator | None = None,
    checkpoint: Path | None = None,
    raw: bool = False,
    progress: Progress = quiet,
    **choices: Any,
) -> Evaluation:
    """Measure a run's model against its data set and write a record into the run's folder.

    How is said by ``measuring``, or by its fields: ``evaluate(run, count=1000, metrics=["fid"])``.
    ``raw`` measures the raw weights instead of their moving average; ``evaluator`` shares its reference features with
    other runs. Raises MissingError without a checkpoint or an extractor, DataError if the data set has changed,
    UsageError for the checkpoint of another run.
    """
    if not isinstance(run, Run):
        run = open_run(Path(run))
    path = checkpoint or run.newest_checkpoint()
    if path.resolve().parent != (run.path / "checkpoints").resolve():
        raise UsageError(f"checkpoint {path} is not one of run {run.path}: leave the run out, or name its own")
    store.ready(run.path)
    evaluator = evaluator or Evaluator(open_run_dataset(run), _asked(measuring, choices, COUNT), progress)
    measured = measure_run(run, evaluator, path, raw=raw)
    return Evaluation(measured.record, stored(run.path, measured))


def measure_run(run: Run, evaluator: Evaluator, checkpoint: Path, *, raw: bool = False) -> Measured:
    """Measure one of a run's checkpoints, as if training had ended there; its learning curves are exhibits too."""
    model = as_ended(run, checkpoint, evaluator.dataset.train, evaluator.device, raw=raw)
    record, exhibits = evaluator.measure(
        subject_of(run), model=model, training=training_of(run, checkpoint, weights_of(model, raw))
    )
    return Measured(record, {**exhibits, **curves(run.path / "log.jsonl")})


def subject_of(run: Run) -> Subject:
    """Return what a run's records are of."""
    family = run.offer().spec.family
    return Subject(
        name=run.config.model,
        kind="baseline" if family == "baseline" else "model",
        family=family,
        dist=run.config.dist,
        version=run.config.version,
        options=run.config.options,
    )


def weights_of(model: GenerativeModel, raw: bool) -> str:
    """Name the weights that are measured: of a model without averages only the raw ones."""
    return "raw" if raw or not model.ema else "ema"


def training_of(run: Run, checkpoint: Path, weights: str) -> Training:
    """Return where the weights of one of a run's checkpoints come from."""
    progressed = checkpoint_meta(checkpoint)
    return Training(
        run=run.id,
        checkpoint_sha256=sha256_file(checkpoint),
        seed=run.config.seed,
        images=progressed["drawn"],
        budget=run.config.budget,
        batch=run.config.batch,
        processes=run.config.processes,
        seconds=round(progressed["seconds"], 3),
        weights=weights,
        finished=run.finished and checkpoint.name == run.newest_checkpoint().name,
    )


def evaluate_images(
    samples: ImageDataset | Split | Path | str,
    reference: ImageDataset | Path | str,
    measuring: Measuring | None = None,
    *,
    name: str = "",
    origin: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    progress: Progress = quiet,
    keep: bool = False,
    **choices: Any,
) -> Evaluation:
    """Measure a set of images against a data set; the record goes under ``folder`` if given.

    Either is opened already or named as for ``open_images``, such as a folder. How is said by ``measuring``, or by its
    fields, as ``features="inception"``. All images are used, or a random ``measuring.count`` of them. They are compared
    with the training split of a data set that came with splits, and with all images of one that did not, as its own
    extractor sees them, or ``inception`` if it has none. Class folders of the reference's names are its labels.
    ``origin`` says where the images are from, for the record; ``keep`` is the evaluator's. Raises DataError for a set
    of fewer than two images, Unmeasurable if no metric that is asked for applies to images, and what metrics raise if
    none of them can measure these.
    """
    if isinstance(samples, Path | str) and isinstance(reference, Path | str):
        origin = origin or {"samples": located(str(samples)), "reference": located(str(reference)), "opening": {}}
    if isinstance(samples, Path | str):
        name, samples = name or str(samples), open_images(str(samples))
    if isinstance(reference, Path | str):
        reference = open_images(str(reference))
    name = name or "images"
    content = ""
    if isinstance(samples, ImageDataset):
        content = samples.sha256
        samples = _labelled_as(samples, reference)
    against = reference.train if reference.own_splits else reference.everything()
    for what, split in ((name, samples), (reference.name, against)):
        if len(split) < 2:
            held = "a single image" if len(split) else "no image"
            raise DataError(f"{what} holds {held}: sets of two or more are compared")
    asked = _asked(measuring, choices, max(2, len(samples)))
    asked = dataclasses.replace(asked, features=asked.extractors or own_extractor(reference) or "inception")
    if folder is not None:
        store.ready(folder)
    evaluator = Evaluator(reference, asked, progress, against=against, keep=keep)
    shape, other = samples.pixels.shape[1:], against.pixels.shape[1:]
    for extractor in evaluator.extractors:
        extractor.accepts(shape)
        if extractor.dim == 0 and shape != other:
            here, there = ("x".join(map(str, each)) for each in (shape, other))
            raise UsageError(
                f"{extractor.name} compares images of one size, not {here} with {there} (channels x height x width): "
                "make them so with --size or --grey, or choose another extractor"
            )
    subject = Subject(name, kind="images", options={**(origin or {}), "sha256": content} if content else {})
    measured = evaluator.measure(subject, images=samples, content=content)
    if not measured.record.scores:
        reasons = "; ".join(f"{each}: {reason}" for each, reason in measured.record.absent.items())
        raise Unmeasurable(f"nothing that was asked for can be measured of {name} ({reasons})")
    return Evaluation(measured.record, stored(folder, measured) if folder else None)


def _asked(measuring: Measuring | None, choices: Mapping[str, Any], count: int) -> Measuring:
    """How to measure, said whole or field by field; raises UsageError for a field that there is not, or for both."""
    if measuring is not None and choices:
        raise UsageError(f"{', '.join(choices)}: say it in Measuring, which is given too")
    known = [field.name for field in dataclasses.fields(Measuring)]
    for name in choices:
        if name not in known:
            raise UnknownName("choice of how to measure", name, known, f"  (there are {', '.join(known)})")
    return measuring or Measuring(**{"count": count, **choices})


def _labelled_as(samples: ImageDataset, reference: ImageDataset) -> Split:
    """All images of a data set, with the reference's labels where its classes have the same names, else with none."""
    split = samples.everything()
    if split.labels is None or not set(samples.classes) <= set(reference.classes):
        return dataclasses.replace(split, labels=None)
    places = np.array([reference.classes.index(each) for each in samples.classes], np.int64)
    return dataclasses.replace(split, labels=places[split.labels])


def stored(folder: Path, measured: Measured) -> Path:
    """Store a record with its exhibits, or where those can't be written without them, and tell the observers."""
    try:
        path = store.add(folder, measured.record, measured.exhibits)
    except GenkitError as error:
        if not measured.exhibits:
            raise
        print(f"genkit: the record is kept without its exhibits: {error}", file=sys.stderr)
        path = store.add(folder, measured.record)
    registry().observe("genkit_record", record=measured.record)
    return path
