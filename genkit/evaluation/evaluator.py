"""The evaluator: measures any number of subjects against one data set, and pays for the reference once."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from genkit.data import ImageDataset, Split
from genkit.devices import pick_device
from genkit.errors import DataError, GenkitError, Unmeasurable, UsageError
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evidence import Evidence, Gathered
from genkit.evaluation.exhibits import exhibits
from genkit.evaluation.extraction import identity
from genkit.evaluation.reference import Reference
from genkit.evaluation.samples import ModelSamples, Progress, Samples, SplitSamples, quiet
from genkit.evaluation.scoring import SEEING, blind, column, lacks, score
from genkit.features import default_extractor, load_extractor
from genkit.features.extractor import Extractor
from genkit.models.base import GenerativeModel
from genkit.registry.discovery import registry
from genkit.registry.specs import MetricSpec
from genkit.results.environment import describe
from genkit.results.protocol import Protocol
from genkit.results.records import Record, RecordedScore, Subject, Training


class Cell(NamedTuple):
    """One score to be: a metric under a column's name, through an extractor, of ``size`` samples."""

    spec: MetricSpec
    name: str
    extractor: Extractor | None
    size: int


class Measured(NamedTuple):
    """A record, unwritten, and the exhibits that go beside it, as files by their names."""

    record: Record
    exhibits: dict[str, bytes]


class Evaluator:
    """Measures subjects against one data set: one set of extractors, one set of reference features.

    They are compared with ``against``, the training split by default. ``keep`` leaves what extractors see in samples in
    the cache, for a caller that measures the same samples again.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        config: EvalConfig | None = None,
        progress: Progress = quiet,
        *,
        against: Split | None = None,
        keep: bool = False,
    ) -> None:
        self.dataset = dataset
        self.against = against or dataset.train
        self.config = config or EvalConfig()
        self.progress = progress
        self.keep = keep
        self.device = pick_device(self.config.device)
        wanted = self.config.wanted
        if wanted is None:
            self.specs = [offer.spec for offer in registry().offers(MetricSpec)]
        else:
            self.specs = [registry().find(MetricSpec, each).spec for each in wanted]
        self.extractors = self._load_extractors() if any(SEEING & set(spec.needs) for spec in self.specs) else []

    def _load_extractors(self) -> list[Extractor]:
        config = self.config
        names = config.extractors or [default_extractor(self.dataset)]
        choices = {**config.preset.features, **config.choices}
        loaded = [load_extractor(n, weights=config.weights, device=str(self.device), choices=choices) for n in names]
        for extractor in loaded:
            extractor.accepts(self.dataset.info().shape)
        return loaded

    @functools.cached_property
    def reference(self) -> Reference:
        """What subjects are compared with."""
        samples = SplitSamples(self.against, len(self.against), self.config.chunk, content=self.dataset.sha256)
        return Reference(samples, self.extractors, self.progress)

    @functools.cached_property
    def originals(self) -> Reference:
        """The test split, which reconstructions are compared with."""
        test = self.dataset.test
        samples = SplitSamples(test, len(test), self.config.chunk, content=self.dataset.sha256)
        return Reference(samples, self.extractors, self.progress)

    def parameters(self, spec: MetricSpec) -> dict[str, Any]:
        """Return a metric's parameters: its own, as the preset and then the user change them."""
        config = self.config
        return {
            **spec.parameters,
            **config.preset.parameters.get(spec.name, {}),
            **config.parameters.get(spec.name, {}),
        }

    def protocol(self, count: int, model: GenerativeModel | None, extractor: Extractor | None = None) -> Protocol:
        """Return every choice under which a subject is measured, as seen by one extractor."""
        config = self.config
        likelihood: Mapping[str, Any] = {}
        if model is not None and callable(getattr(model, "log_likelihood", None)):
            likelihood = {"observation": model.observation, "binarisation": model.binarisation, "seed": config.seed}
        return Protocol(
            data={
                "dataset": self.dataset.slug,
                "sha256": self.dataset.sha256,
                "reference": self.against.name,
                "test": "test",
            },
            samples={
                "count": count,
                "chunk": config.chunk,
                "seed": config.seed,
                "quantisation": config.preset.quantisation,
            },
            features=identity(extractor) if extractor is not None else {},
            likelihood=likelihood,
            hardware={"device": _device_name(self.device), "threads": torch.get_num_threads()},
            parameters={spec.name: found for spec in self.specs if (found := self.parameters(spec))},
        )

    def measure(
        self,
        subject: Subject,
        *,
        model: GenerativeModel | None = None,
        images: Split | None = None,
        content: str = "",
        training: Training | None = None,
    ) -> Measured:
        """Measure a model, or a set of images, and return the record and its exhibits, unwritten.

        ``content`` is the hash of the data set that ``images`` is a split of, where it is known.
        """
        labelled = images.labels is not None if images is not None else bool(model and model.conditional)
        samples = self._samples(model, images, content)
        with self._recorded(subject, self.specs, samples, model, labelled, training) as (record, gathered):
            return Measured(record, exhibits(gathered))

    def measure_by(self, spec: MetricSpec, subject: Subject, model: GenerativeModel, training: Training) -> Record:
        """Measure a trained model by one metric, without exhibits, and return the record, unwritten."""
        samples = self._samples(model, None, "")
        with self._recorded(subject, [spec], samples, model, model.conditional, training) as (record, _):
            return record

    @contextlib.contextmanager
    def _recorded(
        self,
        subject: Subject,
        specs: Sequence[MetricSpec],
        samples: Samples,
        model: GenerativeModel | None,
        labelled: bool,
        training: Training | None,
    ) -> Iterator[tuple[Record, Gathered]]:
        """Give the record and what was gathered for it, which lasts as long as the context."""
        missing = {
            spec.name: reason
            for spec in specs
            if (reason := lacks(spec, subject.name, model, labelled and bool(self.dataset.classes), bool(training)))
        }
        measured = [spec for spec in specs if spec.name not in missing]
        gathered = Gathered(
            samples=samples,
            reference=self.reference,
            test=self.dataset.test,
            originals=self.originals,
            extractors=self.extractors,
            model=model,
            device=self.device,
            images=any("images" in spec.needs for spec in measured),
            classes=self.dataset.classes,
            parameters={spec.name: self.parameters(spec) for spec in measured},
            training_seconds=training.seconds if training else None,
            seed=self.config.seed,
            progress=self.progress,
        )
        try:
            with self._own_chance():
                scores, absent = self._scores(measured, gathered)
                protocol = self.protocol(samples.count, model, self.extractors[0] if self.extractors else None)
                record = Record(
                    created=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
                    dataset=self.dataset.slug,
                    subject=subject,
                    protocol=dataclasses.asdict(protocol),
                    scores=tuple(scores),
                    absent={**missing, **absent},
                    training=training,
                    environment=describe(),
                    command=shlex.join(["genkit", *sys.argv[1:]]),
                )
                yield record, gathered
        except BaseException:
            gathered.close(finished=False)
            raise
        gathered.close(finished=not self.keep)

    def _samples(self, model: GenerativeModel | None, images: Split | None, content: str) -> Samples:
        config = self.config
        if model is not None:
            quantisation = config.preset.quantisation
            return ModelSamples(
                model.to(self.device), config.count, config.chunk, config.seed, self.device, quantisation
            )
        if images is None:
            raise UsageError("there is nothing to measure: give a model or images")
        return SplitSamples(images, min(config.count, len(images)), config.chunk, config.seed, content)

    def cells(self, spec: MetricSpec, count: int) -> list[Cell]:
        """Return what a metric is measured as: through each extractor, a matched one also at the size of the test."""
        test = len(self.dataset.test)
        matched = spec.matched and self.against is self.dataset.train
        counts = [count, test] if matched and test < count else [count]
        found = []
        for extractor in [*self.extractors] if SEEING & set(spec.needs) else [None]:
            name = column(spec, extractor.name if extractor else "")
            found += [Cell(spec, f"{name}@{n}" if matched and n == test else name, extractor, n) for n in counts]
        return found

    def _scores(self, specs: list[MetricSpec], gathered: Gathered) -> tuple[list[RecordedScore], dict[str, str]]:
        """Return all scores, and why a column has none: what one metric can't measure loses no other's number."""
        scores: list[RecordedScore] = []
        absent: dict[str, str] = {}
        first: GenkitError | None = None
        for cell in [cell for spec in specs for cell in self.cells(spec, gathered.samples.count)]:
            try:
                scores.append(self._score(cell, gathered))
            except (Unmeasurable, DataError, UsageError) as error:
                absent[cell.name] = str(error)
                first = first or error
        if first is not None and not scores:
            raise first
        return scores, absent

    def _score(self, cell: Cell, gathered: Gathered) -> RecordedScore:
        if cell.extractor is not None and (reason := blind(cell.spec, cell.extractor)):
            raise Unmeasurable(reason)
        seen_by = cell.extractor.name if cell.extractor else ""
        evidence = Evidence(gathered, seen_by, cell.size, cell.spec.name)
        return score(cell.spec, cell.name, evidence, self.protocol(cell.size, gathered.model, cell.extractor))

    def _own_chance(self) -> contextlib.AbstractContextManager[None]:
        """The caller's random state is left alone."""
        return torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else [])


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type}, {os.cpu_count()} cores"
