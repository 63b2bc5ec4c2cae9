"""Evaluation: one set of samples and features, all metrics, one record."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from genkit import store
from genkit.data import ImageDataset, Split
from genkit.downloads import sha256_file
from genkit.environment import describe
from genkit.errors import PluginError, UsageError
from genkit.evidence import Evidence, ModelSamples, Progress, SplitSamples, extract
from genkit.features import default_extractor, load_extractor
from genkit.features.extractor import Extractor
from genkit.metrics.evidence import Features
from genkit.model import GenerativeModel
from genkit.protocol import Protocol
from genkit.records import Record, RecordedScore, Subject, Training
from genkit.registry import registry
from genkit.runs import Run, checkpoint_meta, load, make_model, open_run
from genkit.scores import Score
from genkit.specs import MetricSpec, ModelSpec
from genkit.training import open_run_dataset, pick_device


def quiet(what: str, done: int, total: int) -> None:
    """Show no progress."""


COUNT = 5_000
CHUNK = 250


@dataclass(frozen=True)
class Evaluation:
    """A record and the file it was written to."""

    record: Record
    path: Path | None = None

    def _repr_html_(self) -> str:
        from genkit.report.html import score_table

        return score_table(self.record)


@dataclass(frozen=True)
class Measuring:
    """How to measure: what does not depend on the subject.

    ``metrics`` are names, or None for all; ``features`` an extractor's name, or None for the data set's own; ``count``
    samples are drawn in chunks of ``chunk`` under evaluation seed ``seed``.
    """

    metrics: Sequence[str] | None = None
    features: str | None = None
    weights: Path | None = None
    count: int = COUNT
    chunk: int = CHUNK
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.count < 2:
            raise UsageError("at least two samples are needed to measure anything")


class Evaluator:
    """Measures any number of subjects against one data set: one extractor, one set of reference features.

    They are compared with ``against``, the training split by default.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        measuring: Measuring | None = None,
        progress: Progress = quiet,
        *,
        against: Split | None = None,
    ) -> None:
        self.dataset = dataset
        self.against = against or dataset.train
        self.measuring = measuring or Measuring()
        self.progress = progress
        self.device = pick_device(self.measuring.device)
        name = self.measuring.features or default_extractor(dataset)
        self.extractor = load_extractor(name, weights=self.measuring.weights, device=str(self.device))
        self.extractor.accepts(dataset.info().shape)
        wanted = self.measuring.metrics
        if wanted is None or list(wanted) == ["all"]:
            self.specs = [offer.spec for offer in registry().offers(MetricSpec)]
        else:
            self.specs = [registry().find(MetricSpec, each).spec for each in wanted]

    @functools.cached_property
    def reference(self) -> Features:
        """Features of what subjects are compared with."""
        split = self.against
        return extract(
            self.extractor, SplitSamples(split, len(split), self.measuring.chunk, 0), "reference", self.progress
        )

    def protocol(self, count: int, model: GenerativeModel | None) -> Protocol:
        """Return every choice under which a subject is measured."""
        likelihood: Mapping[str, Any] = {}
        if model is not None and callable(getattr(model, "log_likelihood", None)):
            likelihood = {
                "observation": model.observation,
                "binarisation": model.binarisation,
                "importance_samples": 1,
                "seed": self.measuring.seed,
            }
        extractor = self.extractor
        return Protocol(
            data={
                "dataset": self.dataset.slug,
                "sha256": self.dataset.sha256,
                "reference": self.against.name,
                "test": "test",
            },
            samples={"count": count, "chunk": self.measuring.chunk, "seed": self.measuring.seed},
            features={"extractor": extractor.name, "sha256": extractor.sha256, **extractor.choices()},
            likelihood=likelihood,
        )

    def measure(
        self,
        subject: Subject,
        *,
        model: GenerativeModel | None = None,
        images: Split | None = None,
        training: Training | None = None,
    ) -> Record:
        """Measure a model, or a set of images, and return the record, unwritten."""
        asked = self.measuring
        samples: ModelSamples | SplitSamples
        if model is not None:
            samples = ModelSamples(model.to(self.device), asked.count, asked.chunk, asked.seed, self.device)
        elif images is not None:
            samples = SplitSamples(images, min(asked.count, len(images)), asked.chunk, asked.seed)
        else:
            raise UsageError("there is nothing to measure: give a model or images")
        evidence = Evidence(
            samples=samples,
            reference=lambda: self.reference,
            test=self.dataset.test,
            extractor=self.extractor,
            model=model,
            device=self.device,
            seed=asked.seed,
            progress=self.progress,
        )
        protocol = self.protocol(samples.count, model)
        with contextlib.closing(evidence):
            scores, absent = self._scores(subject, evidence, protocol)
        cost = {}
        if model is not None:
            cost["parameters"] = float(sum(parameter.numel() for parameter in model.parameters()))
        if samples.seconds > 0:
            cost["images_per_second"] = round(samples.count / samples.seconds, 1)
        return Record(
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            dataset=self.dataset.slug,
            subject=subject,
            protocol=dataclasses.asdict(protocol),
            scores=tuple(scores),
            absent=absent,
            training=training,
            cost=cost,
            environment=describe(),
            command=shlex.join(["genkit", *sys.argv[1:]]),
        )

    def _scores(
        self, subject: Subject, evidence: Evidence, protocol: Protocol
    ) -> tuple[list[RecordedScore], dict[str, str]]:
        scores: list[RecordedScore] = []
        absent: dict[str, str] = {}
        test = len(self.dataset.test)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            for spec in self.specs:
                reason = lacks(spec, subject.name, evidence.model, self.extractor)
                if reason:
                    absent[spec.name] = reason
                    continue
                name = column(spec, self.extractor.name)
                count = evidence.samples.count
                if spec.matched and count <= test and evidence.model is None:
                    name = f"{name}@{count}" if count < self.measuring.count else name
                scores.append(score(spec, name, evidence, protocol))
                if spec.matched and test < count:
                    smaller = dataclasses.replace(protocol, samples={**protocol.samples, "count": test})
                    scores.append(score(spec, f"{name}@{test}", evidence.matched(test), smaller))
        return scores, absent


def evaluate(
    run: Run | Path | str,
    measuring: Measuring | None = None,
    *,
    evaluator: Evaluator | None = None,
    checkpoint: Path | None = None,
    raw: bool = False,
    progress: Progress = quiet,
) -> Evaluation:
    """Measure a run's model against its data set and write a record into the run's folder.

    ``raw`` measures the raw weights instead of their moving average; ``evaluator`` shares its reference features with
    other runs. Raises MissingError without a checkpoint or an extractor, DataError if the data set has changed.
    """
    if not isinstance(run, Run):
        run = open_run(Path(run))
    path = checkpoint or run.newest_checkpoint()
    model = load(run, checkpoint_path=path, raw=raw)
    evaluator = evaluator or Evaluator(open_run_dataset(run), measuring, progress)
    family = registry().find(ModelSpec, run.config.model).spec.family
    subject = Subject(
        name=run.config.model,
        kind="baseline" if family == "baseline" else "model",
        family=family,
        dist=run.config.dist,
        version=run.config.version,
        options=run.config.options,
    )
    progressed = checkpoint_meta(path)
    training = Training(
        run=run.id,
        checkpoint_sha256=sha256_file(path),
        seed=run.config.seed,
        images=progressed["drawn"],
        budget=run.config.budget,
        batch=run.config.batch,
        seconds=round(progressed["seconds"], 3),
        weights="raw" if raw or not model.ema else "ema",
        finished=run.finished and path == run.newest_checkpoint(),
    )
    record = evaluator.measure(subject, model=model, training=training)
    return Evaluation(record, keep(run.path, record))


def evaluate_images(
    samples: Split,
    reference: ImageDataset,
    measuring: Measuring | None = None,
    *,
    name: str = "images",
    folder: Path | None = None,
    progress: Progress = quiet,
) -> Evaluation:
    """Measure a set of images against a data set; the record goes under ``folder`` if given.

    All images are used, or a random ``measuring.count`` of them. They are compared with the training split of a data
    set that came with splits, and with all images of one that did not.
    """
    against = reference.train if reference.own_splits else reference.everything()
    evaluator = Evaluator(reference, measuring or Measuring(count=len(samples)), progress, against=against)
    record = evaluator.measure(Subject(name, kind="images"), images=samples)
    return Evaluation(record, keep(folder, record) if folder else None)


def calibrate(evaluator: Evaluator, folder: Path) -> list[Evaluation]:
    """Measure what a board is read against, the real test split and noise, unless ``folder`` holds it already.

    Real images stand beside samples only at equal n, so the real test split is measured at its own size.
    """
    known = [score for record in store.read(folder).records for score in record.scores]
    dataset = evaluator.dataset
    noise = make_model("noise", {}, dataset.info())
    done = []
    for name, model, count in (
        ("real test", None, min(evaluator.measuring.count, len(dataset.test))),
        ("noise", noise, evaluator.measuring.count),
    ):
        protocol = evaluator.protocol(count, model)
        wanted = [spec for spec in evaluator.specs if not lacks(spec, name, model, evaluator.extractor)]
        if all(any(is_of(score, spec, protocol) for score in known) for spec in wanted):
            continue
        subject = Subject(name, kind="baseline", family="baseline")
        record = evaluator.measure(subject, model=model, images=None if model else dataset.test)
        done.append(Evaluation(record, keep(folder, record)))
    return done


_LACKS = {"reconstruct": "does not reconstruct", "log_likelihood": "has no likelihood bound"}


def lacks(spec: MetricSpec, name: str, model: GenerativeModel | None, extractor: Extractor) -> str:
    """Say why a metric has no number for a subject, or return an empty string."""
    for need in spec.needs:
        if need == "logits" and not extractor.has_logits:
            return f"{extractor.name} has no logits"
        if need in _LACKS and not callable(getattr(model, need, None)):
            return f"{name} {_LACKS[need]}"
        if need not in ("features", "logits", *_LACKS):
            return f"it needs {need!r}, which this genkit does not offer"
    return ""


def column(spec: MetricSpec, extractor: str) -> str:
    """Name a score: only Inception's FID is plain ``fid``; otherwise the extractor stands in the name."""
    if extractor != "inception" and {"features", "logits"} & set(spec.needs):
        return f"{spec.name}[{extractor}]"
    return spec.name


def is_of(score: RecordedScore, spec: MetricSpec, protocol: Protocol) -> bool:
    """Whether a recorded score is of this metric, version and protocol."""
    same = score.metric == spec.name and score.version == spec.version
    return same and score.choices == protocol.choices(spec.moved_by)


def score(spec: MetricSpec, name: str, evidence: Evidence, protocol: Protocol) -> RecordedScore:
    """Compute one metric."""
    began = time.perf_counter()
    found = spec.load()(evidence)
    if not isinstance(found, Score):
        raise PluginError(f"metric {spec.name!r} returned {type(found).__name__}, not a Score")
    return RecordedScore(
        name=name,
        metric=spec.name,
        version=spec.version,
        direction=spec.direction,
        value=found.value,
        stderr=found.stderr,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        method=found.method,
        n=found.n,
        choices=protocol.choices(spec.moved_by),
        unit=spec.unit,
        rankable=found.rankable,
        note=found.note,
        seconds=round(time.perf_counter() - began, 3),
        replicates=found.replicates,
    )


def keep(folder: Path, record: Record) -> Path:
    """Store a record and tell the observers."""
    path = store.add(folder, record)
    registry().observe("genkit_record", record=record)
    return path
