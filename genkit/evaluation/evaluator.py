"""The evaluator: measures any number of subjects against one data set, with shared reference features."""

from __future__ import annotations

import contextlib
import datetime
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from genkit.data import ImageDataset, Split
from genkit.devices import device_name, pick_device
from genkit.errors import DataError, GenkitError, OptionsError, Unmeasurable, UsageError
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.exhibits import exhibits
from genkit.evaluation.prompting import asked_of, follows_prompts
from genkit.evaluation.samples import ModelSamples, SplitImages, draws_classes
from genkit.evaluation.scoring import FailedMetric, column, missing_capability, needs_extractor, score, unsupported
from genkit.features import default_extractor, load_extractor
from genkit.features.cache import FeatureCache, Progress, Samples, identity, quiet
from genkit.features.extractor import Extractor
from genkit.features.foreign import BrokenExtractor, accept
from genkit.features.judge import AskedPrompts
from genkit.metrics.evidence import Evidence
from genkit.models.base import GenerativeModel
from genkit.registry.parameters import checked_parameters, effective, recorded
from genkit.registry.specs import MetricSpec
from genkit.results.environment import command_line, describe
from genkit.results.protocol import Protocol
from genkit.results.records import Record, RecordedScore, Subject, Training


class PlannedScore(NamedTuple):
    """A score to compute: of a metric, under a column's name, by an extractor, from ``size`` samples."""

    spec: MetricSpec
    name: str
    extractor: Extractor | None
    size: int


class Measurement(NamedTuple):
    """A record that is not yet written, and its exhibits: the content of files by name."""

    record: Record
    exhibits: dict[str, bytes]


class Evaluator:
    """Measures subjects against one data set, with one set of extractors and reference features.

    Subjects are compared with ``against``, by default the training split. ``keep`` leaves the features of samples in
    the cache, for callers that measure the same samples again.
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
        self.specs = self.config.specs()
        self._check_parameters()
        self.config.say_departures(dataset)
        self.share: Callable[[Subject, Sequence[MetricSpec], Evidence], None] | None = None
        """Called before anything is measured, in an evaluation in parts (genkit.evaluation.parts)."""
        self.broken: dict[str, str] = {}  # why an extractor can't be used, beside others that can
        self.extractors = self._load_extractors() if any(map(needs_extractor, self.specs)) else []

    def _check_parameters(self) -> None:
        """Raise UsageError for parameters of a metric that is not measured, OptionsError for those without effect."""
        names = [spec.name for spec in self.specs]
        for metric, values in self.config.metric_parameters.items():
            if metric not in names:
                raise UsageError(
                    f"{', '.join(f'{metric}.{key}' for key in values)}: {metric} is not among the metrics "
                    f"to measure ({', '.join(names)}): add it, or leave its parameters out"
                )
        for spec in self.specs:
            self.parameters(spec)

    def _load_extractors(self) -> list[Extractor]:
        config, loaded = self.config, list[Extractor]()
        choices = {**config.protocol_preset.features, **config.choices}
        for name in config.extractors or [default_extractor(self.dataset)]:
            try:
                config.check_extractor(name)
                extractor = load_extractor(name, weights=config.weights, device=str(self.device), choices=choices)
                accept(extractor, self.dataset.info().shape)
                loaded += [extractor] if extractor.name not in [each.name for each in loaded] else []
            except BrokenExtractor as error:
                self.broken[name], first = str(error), error
        if not loaded:
            raise first
        return loaded

    @functools.cached_property
    def reference(self) -> FeatureCache:
        """The images that subjects are compared with."""
        return self._real_images(self.against)

    @functools.cached_property
    def test_set(self) -> FeatureCache:
        """The test split, which reconstructions are compared with."""
        return self._real_images(self.dataset.test)

    @functools.cached_property
    def asked(self) -> AskedPrompts:
        """The prompts that models of texts are asked, and their judge; raises Unmeasurable for data without."""
        return asked_of(self.dataset, self.against, self.config, self.device, self.progress)

    def _real_images(self, split: Split) -> FeatureCache:
        samples = SplitImages(split, len(split), self.config.chunk, content=self.dataset.sha256)
        return FeatureCache(samples, self.extractors, "reference", self.progress)

    def parameters(self, spec: MetricSpec) -> dict[str, Any]:
        """Return a metric's parameters: those of its spec, as changed by the protocol and then by the user.

        Raises OptionsError for one that the user gave and that has no effect beside the others.
        """
        schema, preset = spec.schema, self.config.protocol_preset.parameters.get(spec.name, {})
        given = self.config.metric_parameters.get(spec.name, {})
        values = {**spec.defaults, **checked_parameters(schema, preset, spec.name), **given}
        for key in given:
            if not effective(schema, values, key):
                other = f"{spec.name}.{schema[key].only_with}"
                raise OptionsError(
                    f"{spec.name}.{key} has no effect while {other} is {values[schema[key].only_with]}: "
                    f"set {other} too, or leave it out"
                )
        return values

    def protocol(self, count: int, model: GenerativeModel | None, extractor: Extractor | None = None) -> Protocol:
        """Return all choices under which a subject is measured by one extractor."""
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
                "quantisation": config.protocol_preset.quantisation,
            },
            features=identity(extractor) if extractor is not None else {},
            likelihood=likelihood,
            prompts=self._prompts_protocol(model),
            hardware={"device": device_name(self.device), "threads": torch.get_num_threads()},
            parameters={
                spec.name: found for spec in self.specs if (found := recorded(spec.schema, self.parameters(spec)))
            },
        )

    def _prompts_protocol(self, model: GenerativeModel | None) -> Mapping[str, Any]:
        if follows_prompts(model) and any("prompts" in spec.depends_on for spec in self.specs):
            with contextlib.suppress(Unmeasurable):
                return self.asked.choices
        return {}

    def measure(
        self,
        subject: Subject,
        *,
        model: GenerativeModel | None = None,
        images: Split | None = None,
        content: str = "",
        training: Training | None = None,
    ) -> Measurement:
        """Measure a model or a set of images, without writing anything.

        ``content`` is the hash of the data set that ``images`` is a split of, if known. Raises the first error of the
        metrics if none of them can be computed.
        """
        labelled = images.labels is not None if images is not None else draws_classes(model, self.against)
        samples = self._samples(model, images, content)
        with self._recorded(subject, self.specs, samples, model, labelled, training) as (record, evidence):
            return Measurement(record, exhibits(evidence))

    def measure_one(self, spec: MetricSpec, subject: Subject, model: GenerativeModel, training: Training) -> Record:
        """Measure a trained model by one metric, without exhibits, and return the record without writing it."""
        samples = self._samples(model, None, "")
        labelled = draws_classes(model, self.against)
        with self._recorded(subject, [spec], samples, model, labelled, training) as (record, _):
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
    ) -> Iterator[tuple[Record, Evidence]]:
        """Yield the record and its evidence, whose files are removed at the end of the context."""
        labelled, trained = labelled and bool(self.dataset.classes), bool(training)
        missing = {
            spec.name: reason
            for spec in specs
            if (reason := missing_capability(spec, subject.name, model, labelled=labelled, trained=trained))
        }
        if isinstance(samples, SplitImages) and samples.split.sizes is not None:
            several = "the images have several sizes: make them one with --size"
            missing |= {spec.name: several for spec in specs if "images" in spec.needs}
        measured = [spec for spec in specs if spec.name not in missing]
        keep_images = any("images" in spec.needs for spec in measured)
        evidence = Evidence(
            generated=FeatureCache(samples, self.extractors, "samples", self.progress, images=keep_images),
            reference=self.reference,
            test_set=self.test_set,
            test=self.dataset.test,
            model=model,
            device=self.device,
            progress=self.progress,
            classes=self.dataset.classes,
            training_seconds=training.seconds if training else None,
            seed=self.config.seed,
            metrics={spec.name: self.parameters(spec) for spec in measured},
            extractor=self.extractors[0] if self.extractors else None,
            count=samples.count,
            asked=lambda: self.asked,
        )
        try:
            with self._random_state_kept():
                if self.share is not None:
                    self.share(subject, measured, evidence)
                scores, absent = self._scores(measured, evidence)
                protocol = self.protocol(samples.count, model, evidence.extractor).document()
                if captions := getattr(samples, "prompts_sha256", ""):
                    protocol["prompts"] = {**protocol.get("prompts", {}), "captions": captions}
                record = Record(
                    created=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
                    dataset=self.dataset.slug,
                    subject=subject,
                    protocol=protocol,
                    scores=tuple(scores),
                    absent={**missing, **absent},
                    training=training,
                    environment=describe(),
                    command=command_line(),
                )
                yield record, evidence
        except BaseException:
            evidence.close(finished=False)
            raise
        evidence.close(finished=not self.keep)

    def _samples(self, model: GenerativeModel | None, images: Split | None, content: str) -> Samples:
        config = self.config
        if model is not None:
            quantisation = config.protocol_preset.quantisation
            model = model.to(self.device)
            return ModelSamples(model, config.count, config.chunk, config.seed, self.device, quantisation, self.against)
        if images is None:
            raise UsageError("there is nothing to measure: give a model or images")
        return SplitImages(images, min(config.count, len(images)), config.chunk, config.seed, content)

    def planned_scores(self, spec: MetricSpec, count: int) -> list[PlannedScore]:
        """Return the scores of a metric: one per extractor, some also at the size of the test split."""
        test = len(self.dataset.test)
        matched = spec.also_at_test_size and self.against is self.dataset.train
        counts = [count, test] if matched and test < count else [count]
        planned = []
        for extractor in [*self.extractors] if needs_extractor(spec) else [None]:
            name = column(spec, extractor.name if extractor else "")
            for n in counts:
                planned.append(PlannedScore(spec, f"{name}@{n}" if matched and n == test else name, extractor, n))
        return planned

    def _scores(self, specs: list[MetricSpec], evidence: Evidence) -> tuple[list[RecordedScore], dict[str, str]]:
        """Return the scores, and by column why there is none; raises the first reason if there are no scores at all."""
        scores: list[RecordedScore] = []
        absent = {
            column(spec, name): self.broken[name] for spec in specs if needs_extractor(spec) for name in self.broken
        }
        first: GenkitError | None = None
        for planned in [each for spec in specs for each in self.planned_scores(spec, evidence.samples.count)]:
            try:
                scores.append(self._score(planned, evidence))
            except (Unmeasurable, DataError, UsageError, FailedMetric) as error:
                absent[planned.name] = str(error)
                first = first or error
        if first is not None and not scores:
            raise first
        return scores, absent

    def _score(self, planned: PlannedScore, evidence: Evidence) -> RecordedScore:
        spec, name, extractor, size = planned
        if extractor is not None and (reason := unsupported(spec, extractor)):
            raise Unmeasurable(reason)
        protocol = self.protocol(size, evidence.model, extractor)
        return score(spec, name, evidence.of(spec.name, extractor, size), protocol)

    def _random_state_kept(self) -> contextlib.AbstractContextManager[None]:
        return torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else [])
