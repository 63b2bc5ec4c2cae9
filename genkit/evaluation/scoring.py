"""From a metric's Score to a recorded one: the name of its column, its choices, or the reason why there is none."""

from __future__ import annotations

import math
import time

from genkit.errors import GenkitError, PluginError
from genkit.features.extractor import Extractor
from genkit.files.text import logger
from genkit.metrics.evidence import Evidence
from genkit.models.base import CAPABILITIES, GenerativeModel
from genkit.registry.specs import MetricSpec
from genkit.results.protocol import Protocol, fingerprint
from genkit.results.records import RecordedScore
from genkit.results.score import Score

_LOG = logger(__name__)

_FROM_EXTRACTOR = {"features", "logits"}
"""Needs of a metric that an extractor provides."""

_KNOWN = (*CAPABILITIES, "labels", "images", "model", "training")


class FailedMetric(PluginError):
    """A metric that fails, or whose score is not finite; it has no number, and the other metrics keep theirs."""


def needs_extractor(spec: MetricSpec) -> bool:
    """Return whether a metric needs features or logits."""
    return bool(_FROM_EXTRACTOR & set(spec.needs))


def missing_capability(
    spec: MetricSpec, name: str, model: GenerativeModel | None, *, labelled: bool, trained: bool
) -> str:
    """Say why a metric does not apply to a subject, or return an empty string."""
    for need in spec.needs:
        if need in _FROM_EXTRACTOR:
            continue
        if model is None and need in (*CAPABILITIES, "model", "training"):
            if spec.needs == ("reconstruct",):
                return "the images are not paired with their truths: --paired does so"
            return f"{name} is a set of images, and no model"
        if need in CAPABILITIES and not callable(getattr(model, need, None)):
            return f"{name} {CAPABILITIES[need]}"
        if need == "labels" and not labelled:
            return f"{name} draws no classes" if model is not None else f"{name} has no labels of the reference"
        if need == "training" and not trained:
            return f"{name} was not trained"
        if need not in _KNOWN and not callable(getattr(model, need, None)):  # a method that this metric alone asks for
            return f"{name} has no {need}"
    return ""


def column(spec: MetricSpec, extractor: str) -> str:
    """Name a score, with its extractor in brackets unless that is the published Inception network."""
    return f"{spec.name}[{extractor}]" if extractor not in ("", "inception") else spec.name


def unsupported(spec: MetricSpec, extractor: Extractor) -> str:
    """Say why an extractor can't be used for a metric, or return an empty string."""
    return f"{extractor.name} has no logits" if "logits" in spec.needs and not extractor.has_logits else ""


def score(spec: MetricSpec, name: str, evidence: Evidence, protocol: Protocol) -> RecordedScore:
    """Compute one metric; raises GenkitErrors as the metric does, FailedMetric where it fails in any other way."""
    began = time.perf_counter()
    computed = _computed(spec, evidence)
    return RecordedScore(
        name=name,
        metric=spec.name,
        version=spec.version,
        direction=spec.direction,
        value=float(computed.value),
        stderr=float(computed.stderr),
        ci_low=float(computed.ci_low),
        ci_high=float(computed.ci_high),
        method=computed.method,
        n=int(computed.n),
        choices=protocol.choices(spec.name, spec.depends_on),
        unit=spec.unit,
        rankable=computed.rankable,
        note=computed.note,
        seconds=round(time.perf_counter() - began, 3),
        replicates=tuple(map(float, computed.replicates)),
        parts={str(key): float(value) for key, value in computed.parts.items()},
    )


def _computed(spec: MetricSpec, evidence: Evidence) -> Score:
    """Return a metric's finite score; errors of memory and of files, which would last, end the evaluation."""
    try:
        function = spec.load()
    except PluginError as error:
        raise FailedMetric(str(error)) from error
    try:
        found = function(evidence)
        if isinstance(found, Score):
            numbers = {
                "value": [found.value],
                "interval": [found.stderr, found.ci_low, found.ci_high],
                "jackknife values": found.replicates,
                "parts": found.parts.values(),
            }
            for what, values in numbers.items():
                if not all(math.isfinite(value) for value in values):
                    raise FailedMetric(f"its {what} can't be computed here: not finite")
            return found
    except (GenkitError, MemoryError, OSError):
        raise
    except Exception as error:
        _LOG.debug("metric %s failed", spec.name, exc_info=True)
        raise FailedMetric(f"it failed: {' '.join(f'{type(error).__name__}: {error}'.split())}") from error
    raise FailedMetric(f"metric {spec.name!r} returned {type(found).__name__}, not a Score")


def score_fingerprint(spec: MetricSpec, protocol: Protocol) -> str:
    """Return the fingerprint that a score of this metric under this protocol will have."""
    return fingerprint({**protocol.choices(spec.name, spec.depends_on), "metric": spec.name, "version": spec.version})
