"""Measure a run's model and store the record."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genkit.data import ImageDataset
from genkit.errors import GenkitError, GenkitWarning, UnknownName, UsageError, one_line
from genkit.evaluation.closed_form import load_for_evaluation
from genkit.evaluation.concept import concept_exhibits
from genkit.evaluation.config import COUNT, EvalConfig
from genkit.evaluation.evaluator import Evaluator, Measurement
from genkit.evaluation.exhibits import curves, signed
from genkit.evaluation.parts import PartsFolder, Scored, parts_folder
from genkit.features.cache import Progress, quiet
from genkit.features.parts import Part
from genkit.files.guard import guarded, sentence
from genkit.files.integrity import sha256_file
from genkit.files.text import logger
from genkit.models.base import GenerativeModel
from genkit.models.drawing import sampling_of
from genkit.registry.discovery import registry
from genkit.results import store
from genkit.results.records import Record, Subject, Training
from genkit.training.config import tuned_from
from genkit.training.origin import origin_of, weights_of
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import Run, checkpoint_meta, named_run, with_newest
from genkit.training.tracking import Trackers

_LOG = logger(__name__)


@dataclass(frozen=True, repr=False)
class Evaluation:
    """A record and the file it was written to; it prints as its table of scores."""

    record: Record
    path: Path | None = None

    def __fspath__(self) -> str:
        """The record's file, so that ``verify`` and ``explain`` take an evaluation; raises UsageError without one."""
        if self.path is None:
            raise UsageError(f"the evaluation of {self.record.subject.name} was not written: give compare a folder")
        return str(self.path)

    def __repr__(self) -> str:
        from genkit.report.text import scores

        return "\n".join([one_line(f"{self.record.subject.name} on {self.record.dataset}"), scores(self.record)])

    def _repr_html_(self) -> str:
        from genkit.report.html import score_table

        return score_table(self.record)


def evaluate(
    run: Run | Path | str,
    config: EvalConfig | None = None,
    *,
    dataset: ImageDataset | Path | str | None = None,
    evaluator: Evaluator | None = None,
    checkpoint: Path | None = None,
    raw: bool = False,
    sampling: Mapping[str, Any] | None = None,
    progress: Progress = quiet,
    part: Part | str | None = None,
    spool: Path | str | None = None,
    **options: Any,
) -> Evaluation:
    """Measure a run's model against its data set and write a record into the run's folder.

    Options are given as one ``config``, or as its fields: ``evaluate(run, count=1000, metrics=["fid"])``. ``dataset``
    says where the run's data is now, if it was moved. ``raw`` measures the raw weights instead of their moving average;
    ``sampling`` changes options of drawing, e.g. ``{"guidance": 2}``; boards rank what a run draws with its own.
    ``evaluator`` shares its reference features with other runs. ``part``, such as "3/8", leaves the features of that
    share in ``spool``, by default ``parts`` in the run's folder; the last one done measures, and the others raise
    OthersMissing. Processes of torchrun are parts by themselves, wait for each other and return the same evaluation.

    Raises MissingError without a checkpoint or an extractor, DataError if the data set has changed, UsageError for the
    checkpoint of another run, or where the parts of another evaluation are.
    """
    if not isinstance(run, Run):
        if checkpoint is None and Path(run).suffix == ".safetensors":
            checkpoint = Path(run)
        run = named_run(run)
    path = checkpoint or run.newest_checkpoint()
    newest = path.name == run.newest_checkpoint().name
    if path.resolve().parent != (run.path / "checkpoints").resolve():
        raise UsageError(f"checkpoint {path} is not one of run {run.path}: leave the run out, or name its own")
    store.ready(run.path)
    evaluator = evaluator or Evaluator(open_run_dataset(run, dataset), resolve_config(config, options, COUNT), progress)
    measure = functools.partial(measure_run, run, evaluator, checkpoint, raw=raw, sampling=sampling)
    parts = parts_folder(part, spool, run.path, run.path / "parts")
    done = measured_and_stored(evaluator, run.path, measure, parts, run)
    if run.status.warning and newest:
        _LOG.warning("run %s, as training found: %s", run.path, run.status.warning)
    return done


def measure_run(
    run: Run,
    evaluator: Evaluator,
    checkpoint: Path | None = None,
    *,
    raw: bool = False,
    sampling: Mapping[str, Any] | None = None,
) -> Measurement:
    """Measure a checkpoint of a run as if training had ended there; its learning curves are exhibits too.

    Without a ``checkpoint`` it is the newest, also of a run that is being trained and replaces it meanwhile.
    """

    def opened(path: Path) -> tuple[GenerativeModel, Training, str]:
        data, device = evaluator.dataset.train, evaluator.device
        model = load_for_evaluation(run, path, data, device, raw=raw, sampling=sampling)
        return model, training_of(run, path, weights_of(model, raw)), path.name

    model, training, name = with_newest(run, opened) if checkpoint is None else opened(checkpoint)
    record, exhibits = evaluator.measure(subject_of(run, model), model=model, training=training)
    with guarded(lambda error: _LOG.warning("what it was tuned to is not measured: %s", sentence(error))):
        exhibits = {**exhibits, **concept_exhibits(run, model, evaluator)}
    if evaluator.config.metadata:
        origin = origin_of(run, model, None, "exhibit", seed=evaluator.config.seed, raw=raw)
        weights: dict[str, Any] = {"checkpoint": name, "checkpoint_sha256": training.checkpoint_sha256}
        exhibits = signed(exhibits, dataclasses.replace(origin, **weights))
    return Measurement(record, {**exhibits, **curves(run.path / "log.jsonl")})


def subject_of(run: Run, model: GenerativeModel) -> Subject:
    """Return the subject of a run's records, given its model with the options that it draws with."""
    family = run.offer().spec.family
    return Subject(
        name=run.config.model,
        kind="baseline" if family == "baseline" else "model",
        family=family,
        dist=run.config.dist,
        version=run.config.version,
        options=run.config.options,
        sampling=sampling_of(model),
    )


def training_of(run: Run, checkpoint: Path, weights: str) -> Training:
    """Return how the weights of a checkpoint were trained."""
    meta = checkpoint_meta(checkpoint)
    return Training(
        run=run.id,
        checkpoint_sha256=sha256_file(checkpoint),
        seed=run.config.seed,
        images=meta["drawn"],
        budget=run.config.budget,
        batch=run.config.batch,
        processes=run.config.processes,
        precision=run.config.precision,
        batch_norm=run.config.batch_norm,
        seconds=round(meta["seconds"], 3),
        weights=weights,
        sampling=sampling_of(run.make_model()),
        finished=run.finished and checkpoint.name == run.newest_checkpoint().name,
        tuned=tuned_from(run.config),
    )


def resolve_config(config: EvalConfig | None, options: Mapping[str, Any], count: int) -> EvalConfig:
    """Return a config given whole or field by field; raises UnknownName for an unknown field, UsageError for both."""
    if config is not None and options:
        raise UsageError(f"{', '.join(options)}: set it in the EvalConfig that is given too")
    known = [field.name for field in dataclasses.fields(EvalConfig)]
    for name in options:
        if name not in known:
            raise UnknownName("option of an evaluation", name, known, f"  (there are {', '.join(known)})")
    return config or EvalConfig(**{"count": count, **options})


def measured_and_stored(
    evaluator: Evaluator,
    folder: Path,
    measure: Callable[[], Measurement],
    parts: PartsFolder | None = None,
    run: Run | None = None,
) -> Evaluation:
    """Measure, and store the record in ``folder``; as a part, do its share and raise OthersMissing unless it scores."""
    if parts is None:
        measured = measure()
        return Evaluation(measured.record, store_record(folder, measured, run))
    with parts.sharing(evaluator):
        try:
            claimed = parts.claim(measure())
        except Scored as known:
            claimed = known.claimed
        if not claimed.stored:
            store_record(folder, claimed.measured, run, claimed.name.partition("-")[0])
            parts.end(claimed.name)
    return Evaluation(claimed.measured.record, folder / "records" / claimed.name)


def store_record(folder: Path, measured: Measurement, run: Run | None = None, stamp: str = "") -> Path:
    """Store a record, with its exhibits if these can be written, and tell the observers and its run's trackers.

    ``stamp`` is what the name of its file begins with, by default that of the newest of its store.
    """
    write: Callable[..., Path] = functools.partial(store.add, stamp=stamp) if stamp else store.append
    try:
        path = write(folder, measured.record, measured.exhibits)
    except GenkitError as error:
        if not measured.exhibits:
            raise
        warnings.warn(f"the record is kept without its exhibits: {error}", GenkitWarning, stacklevel=2)
        path = write(folder, measured.record)
    registry().observe("genkit_record", record=measured.record, path=path, run=run and run.path)
    if run is not None:
        with contextlib.closing(Trackers(run)) as trackers:
            trackers.record(measured.record)
    return path
