"""From a metric's Score to a recorded one: its column's name, its choices, or the reason why there is none."""

from __future__ import annotations

import time

from genkit.errors import PluginError
from genkit.evaluation.evidence import Evidence
from genkit.features.extractor import Extractor
from genkit.models.base import CAPABILITIES, GenerativeModel
from genkit.registry.specs import MetricSpec
from genkit.results.protocol import Protocol, fingerprint
from genkit.results.records import RecordedScore
from genkit.results.score import Score

SEEING = {"features", "logits"}
"""What a metric needs of an extractor."""


def lacks(spec: MetricSpec, name: str, model: GenerativeModel | None, labelled: bool, trained: bool) -> str:
    """Say why a metric has no number for a subject, or return an empty string."""
    for need in spec.needs:
        if need in SEEING:
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
    """Name a score: only Inception's FID is plain ``fid``; otherwise the extractor stands in the name."""
    return f"{spec.name}[{extractor}]" if extractor not in ("", "inception") else spec.name


def blind(spec: MetricSpec, extractor: Extractor) -> str:
    """Say why an extractor does not serve a metric, or return an empty string."""
    return f"{extractor.name} has no logits" if "logits" in spec.needs and not extractor.has_logits else ""


def score(spec: MetricSpec, name: str, evidence: Evidence, protocol: Protocol) -> RecordedScore:
    """Compute one metric; Unmeasurable passes through."""
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
        choices=protocol.choices(spec.name, spec.moved_by),
        unit=spec.unit,
        rankable=found.rankable,
        note=found.note,
        seconds=round(time.perf_counter() - began, 3),
        replicates=found.replicates,
        parts=dict(found.parts),
    )


def score_fingerprint(spec: MetricSpec, protocol: Protocol) -> str:
    """Return the fingerprint that a score of this metric under this protocol will have."""
    return fingerprint({**protocol.choices(spec.name, spec.moved_by), "metric": spec.name, "version": spec.version})
