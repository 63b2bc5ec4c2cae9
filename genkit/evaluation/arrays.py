"""Compare what another program computed: statistics or features, with each other or with a set of images."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.data import ImageDataset, Split
from genkit.errors import GenkitError, UsageError
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluator import Evaluator, Measurement
from genkit.evaluation.samples import SplitImages
from genkit.evaluation.scoring import column, score
from genkit.evaluation.statistics import INCEPTION_WIDTH, Statistics, covariance_ddof, read_statistics, save_statistics
from genkit.features import own_extractor
from genkit.features.cache import FeatureCache, Progress
from genkit.features.extractor import Extractor
from genkit.features.given import GIVEN, Unrun, content_hash, read_features
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.frechet import FeatureStatistics
from genkit.registry.specs import MetricSpec
from genkit.results.environment import command_line, describe
from genkit.results.records import Record, Subject

Features = NDArray[np.floating[Any]]


class _ArraysEvaluator(Evaluator):
    """An evaluator without images: its only extractor is the one that the arrays are taken to be of."""

    def __init__(self, extractor: Extractor, dataset: ImageDataset, config: EvalConfig, progress: Progress) -> None:
        self._unrun = extractor
        super().__init__(dataset, config, progress)

    def _load_extractors(self) -> list[Extractor]:
        return [self._unrun]


def compare_features(
    samples: str, reference: str, config: EvalConfig, origin: Mapping[str, Any], progress: Progress, save: Any = None
) -> Measurement:
    """Measure two files of features, as read_features reads them, by all metrics of features alone; raises its errors.

    One of them may hold statistics, mu and sigma, which give fid alone. The record's protocol has "given" in place of
    an extractor, so its scores are compared with no other's.
    """
    (real, real_sha256), (generated, sha256) = (_features_or_statistics(path) for path in (reference, samples))
    width, other = (
        len(each.mean) if isinstance(each, FeatureStatistics) else each.shape[1] for each in (real, generated)
    )
    if width != other:
        raise UsageError(f"{samples} has {other} features and {reference} {width}: take both from one extractor")
    dataset = _without_images(reference, real_sha256, "features", (1, 1, 1))
    evaluator = _ArraysEvaluator(Unrun(GIVEN, "unknown", width), dataset, config, progress)
    subject = Subject(samples, kind="images", options={**origin, "sha256": sha256})
    if save is not None:
        if isinstance(real, FeatureStatistics):
            raise UsageError(f"{reference} holds statistics already: leave --save-stats out")
        save_statistics(save, FeatureStatistics.fit(real, ddof=covariance_ddof(evaluator)))
    count = 0 if isinstance(generated, FeatureStatistics) else min(len(generated), config.count)
    return _measured(evaluator, subject, {GIVEN: (real, generated)}, count)


def _features_or_statistics(path: str) -> tuple[Features | FeatureStatistics, str]:
    """Return what a file holds, and the hash of its content."""
    statistics = read_statistics(path)
    if statistics is not None:
        return statistics.gaussian, statistics.sha256
    features = read_features(path)
    return features, content_hash(features)


def compare_statistics(
    samples: ImageDataset | Split | Statistics,
    reference: ImageDataset | Statistics,
    config: EvalConfig,
    name: str,
    origin: Mapping[str, Any],
    progress: Progress,
) -> Measurement:
    """Measure fid where one side or both are statistics; the other metrics need images.

    Statistics don't record their extractor: they are read as those of the extractor in use, which for two sets of
    statistics is the one that ``config`` names, inception for 2048 features, or else "given". Raises UsageError if
    the numbers of features differ.
    """
    if isinstance(samples, Statistics) and isinstance(reference, Statistics):
        inception = "inception" if reference.width == INCEPTION_WIDTH else GIVEN
        (made, *others) = config.extractors or [inception]
        if others:
            raise UsageError("statistics are of one extractor: name one with --features")
        for each in (samples, reference):
            each.check_width(reference.name, reference.width)
            each.say_how_read(made if made != GIVEN else "one extractor")
        dataset = _without_images(reference.name, reference.sha256, "statistics", (1, 1, 1))
        evaluator: Evaluator = _ArraysEvaluator(Unrun(made, "unknown", reference.width), dataset, config, progress)
        subject = Subject(name, kind="images", options={**origin, "sha256": samples.sha256})
        return _measured(evaluator, subject, {made: (reference.gaussian, samples.gaussian)}, 0)
    if isinstance(reference, Statistics):
        assert not isinstance(samples, Statistics)
        split = samples.everything() if isinstance(samples, ImageDataset) else samples
        content = samples.sha256 if isinstance(samples, ImageDataset) else ""
        shape = (split.pixels.shape[1], split.pixels.shape[2], split.pixels.shape[3])
        dataset = _without_images(reference.name, reference.sha256, "statistics", shape)
        config = dataclasses.replace(config, features=config.extractors or "inception")
        evaluator, statistics = Evaluator(dataset, config, progress), reference
        sha256, count = content, min(config.count, len(split))
    else:
        assert isinstance(samples, Statistics)
        split = reference.train if reference.own_splits else reference.everything()
        config = dataclasses.replace(config, features=config.extractors or own_extractor(reference) or "inception")
        evaluator, statistics = Evaluator(reference, config, progress, against=split), samples
        content, sha256, count = reference.sha256, samples.sha256, 0
    drawn = SplitImages(split, count or len(split), config.chunk, config.seed, content)
    cache = FeatureCache(drawn, evaluator.extractors, "samples" if count else "reference", progress)
    sides: dict[str, tuple[Any, Any]] = {}
    for extractor in evaluator.extractors:
        statistics.check_width(extractor.name, extractor.dim or cache.features(extractor.name).shape[1])
        statistics.say_how_read(extractor.name)
        features = cache.features(extractor.name)
        sides[extractor.name] = (
            (statistics.gaussian, features) if statistics is reference else (features, statistics.gaussian)
        )
    subject = Subject(name, kind="images", options={**origin, "sha256": sha256} if sha256 else dict(origin))
    measured = _measured(evaluator, subject, sides, count)
    cache.close(remove=bool(count))
    return measured


def _measured(evaluator: Evaluator, subject: Subject, sides: Mapping[str, tuple[Any, Any]], count: int) -> Measurement:
    """Measure features or statistics by extractor, each a pair of those of the reference and of the samples."""
    scores, absent = [], {}
    protocol = evaluator.protocol(count, None, evaluator.extractors[0] if evaluator.extractors else None)
    parameters = {spec.name: evaluator.parameters(spec) for spec in evaluator.specs}
    for extractor in evaluator.extractors:
        real, generated = sides[extractor.name]
        if not isinstance(generated, FeatureStatistics) and count < len(generated):
            chosen = np.random.default_rng(evaluator.config.seed).choice(len(generated), count, replace=False)
            generated = generated[np.sort(chosen)]
        shared: dict[Any, Any] = {}
        for spec in evaluator.specs:
            name = column(spec, extractor.name)
            if reason := _reason_against(spec, real, generated, subject.name):
                absent[spec.name] = reason
                continue
            evidence = Evidence.of_arrays(
                real_features=real,
                generated_features=generated,
                parameters=parameters[spec.name],
                metrics=parameters,
                metric=spec.name,
                seed=evaluator.config.seed,
                device=evaluator.device,
                progress=evaluator.progress,
                count=count,
                _shared=shared,
            )
            try:
                scores.append(score(spec, name, evidence, evaluator.protocol(count, None, extractor)))
            except GenkitError as error:
                absent[name] = str(error)
    return Measurement(record_of(evaluator, subject, protocol, scores, absent), {})


def _reason_against(spec: MetricSpec, real: Any, generated: Any, name: str) -> str:
    """Say why a metric can't be computed from features or statistics, or return an empty string."""
    if set(spec.needs) != {"features"}:
        return f"{name} is compared without images, and only metrics of features apply"
    if spec.name != "fid" and (isinstance(real, FeatureStatistics) or isinstance(generated, FeatureStatistics)):
        return "statistics hold no single features, so only fid can be measured"
    return ""


def record_of(evaluator: Evaluator, subject: Subject, protocol: Any, scores: Any, absent: Mapping[str, str]) -> Record:
    """Return the record of scores that were computed now."""
    return Record(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        dataset=evaluator.dataset.slug,
        subject=subject,
        protocol=protocol.document(),
        scores=tuple(scores),
        absent=dict(absent),
        environment=describe(),
        command=command_line(),
    )


def _without_images(name: str, sha256: str, what: str, shape: tuple[int, int, int]) -> ImageDataset:
    """Return the data set that stands for a reference of which there are only features or statistics."""
    none = Split(what, np.zeros((0, *shape), np.uint8), None, 256)
    return ImageDataset(f"{what}:{name}", sha256, none, none)


def reference_slug(reference: ImageDataset | Statistics | str) -> str:
    """Return the short name that records of this reference have, also where it is a file of features or statistics."""
    if isinstance(reference, ImageDataset):
        return reference.slug
    what, name = ("features", reference) if isinstance(reference, str) else ("statistics", reference.name)
    return _without_images(name, "", what, (1, 1, 1)).slug
