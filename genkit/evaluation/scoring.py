"""From a metric's Score to a recorded one: the name of its column, its choices, or the reason why there is none."""

from __future__ import annotations

import time

from genkit.errors import PluginError
from genkit.features.extractor import Extractor
from genkit.metrics.evidence import Evidence
from genkit.models.base import CAPABILITIES, GenerativeModel
from genkit.registry.specs import MetricSpec
from genkit.results.protocol import Protocol, fingerprint
from genkit.results.records import RecordedScore
from genkit.results.score import Score

_FROM_EXTRACTOR = {"features", "logits"}
"""Needs of a metric that an extractor provides."""


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
        if need in CAPABILITIES and not callable(getattr(model, need, None)):
            return f"{name} {CAPABILITIES[need]}"
        if need == "labels" and not labelled:
            return f"{name} draws no classes" if model is not None else f"{name} has no labels of the reference"
        if need == "model" and model is None:
            return f"{name} is no model"
        if need == "training" and not trained:
            return f"{name} was not trained"
        if need not in (*CAPABILITIES, "labels", "images", "model", "training"):
            return f"it needs {need!r}, which this genkit does not offer"
    return ""


def column(spec: MetricSpec, extractor: str) -> str:
    """Name a score, with its extractor in brackets unless that is the published Inception network."""
    return f"{spec.name}[{extractor}]" if extractor not in ("", "inception") else spec.name


def unsupported(spec: MetricSpec, extractor: Extractor) -> str:
    """Say why an extractor can't be used for a metric, or return an empty string."""
    return f"{extractor.name} has no logits" if "logits" in spec.needs and not extractor.has_logits else ""


def score(spec: MetricSpec, name: str, evidence: Evidence, protocol: Protocol) -> RecordedScore:
    """Compute one metric; raises Unmeasurable as the metric does, PluginError if it returns no Score."""
    began = time.perf_counter()
    computed = spec.load()(evidence)
    if not isinstance(computed, Score):
        raise PluginError(f"metric {spec.name!r} returned {type(computed).__name__}, not a Score")
    return RecordedScore(
        name=name,
        metric=spec.name,
        version=spec.version,
        direction=spec.direction,
        value=computed.value,
        stderr=computed.stderr,
        ci_low=computed.ci_low,
        ci_high=computed.ci_high,
        method=computed.method,
        n=computed.n,
        choices=protocol.choices(spec.name, spec.depends_on),
        unit=spec.unit,
        rankable=computed.rankable,
        note=computed.note,
        seconds=round(time.perf_counter() - began, 3),
        replicates=computed.replicates,
        parts=dict(computed.parts),
    )


def score_fingerprint(spec: MetricSpec, protocol: Protocol) -> str:
    """Return the fingerprint that a score of this metric under this protocol will have."""
    return fingerprint({**protocol.choices(spec.name, spec.depends_on), "metric": spec.name, "version": spec.version})
