"""From a metric's Score to a recorded one: the name of its column, its choices, or the reason why there is none."""

from __future__ import annotations

import dataclasses
import errno
import json
import time
from typing import Any, NoReturn, TypeVar

from genkit.errors import DataError, GenkitError, Interrupted, PluginError, Unmeasurable, UsageError
from genkit.features.cache import code_of_extractor
from genkit.features.extractor import Extractor
from genkit.features.foreign import BrokenExtractor
from genkit.files.guard import guarded, number, plain, sentence
from genkit.files.text import logger
from genkit.metrics.evidence import Evidence
from genkit.models.base import CAPABILITIES, GenerativeModel
from genkit.registry.fence import fence_of
from genkit.registry.provenance import code_of
from genkit.registry.specs import MetricSpec
from genkit.results.protocol import Protocol, fingerprint
from genkit.results.records import RecordedScore
from genkit.results.score import Score

T = TypeVar("T")

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
        if need in CAPABILITIES and not _offers(model, need):
            return f"{name} {CAPABILITIES[need]}"
        if need == "labels" and not labelled:
            return f"{name} draws no classes" if model is not None else f"{name} has no labels of the reference"
        if need == "training" and not trained:
            return f"{name} was not trained"
        if need not in _KNOWN and not _offers(model, need):  # a method that this metric alone asks for
            return f"{name} has no {need}"
    return ""


def _offers(model: GenerativeModel | None, method: str) -> bool:
    with guarded(lambda error: None):  # what a property of a plugin's model raises
        return callable(getattr(model, method, None))
    return False


def column(spec: MetricSpec, extractor: str) -> str:
    """Name a score, with its extractor in brackets unless that is the published Inception network."""
    return f"{spec.name}[{extractor}]" if extractor not in ("", "inception") else spec.name


def unsupported(spec: MetricSpec, extractor: Extractor) -> str:
    """Say why an extractor can't be used for a metric, or return an empty string."""
    return f"{extractor.name} has no logits" if "logits" in spec.needs and not extractor.has_logits else ""


def score(spec: MetricSpec, name: str, evidence: Evidence, protocol: Protocol) -> RecordedScore:
    """Compute one metric; raises FailedMetric where it fails or returns no score that a record can hold.

    GenkitErrors, as of a model that draws no images, are raised as they are, if genkit's own metric raises them; so are
    Unmeasurable, DataError and UsageError of any metric.
    """
    began = time.perf_counter()

    def failed(error: BaseException) -> NoReturn:
        if isinstance(error, GenkitError) and _own(spec) and not isinstance(error, BrokenExtractor | Interrupted):
            raise error
        if isinstance(error, OSError) and _own(spec) and error.errno in _FULL:
            raise GenkitError(f"{name} can't be measured: {error.strerror}: make room, or set GENKIT_CACHE") from error
        _LOG.debug("metric %s failed", spec.name, exc_info=error)
        raise FailedMetric(f"it failed: {sentence(error)}") from error

    def misfit(error: BaseException) -> NoReturn:
        raise FailedMetric(sentence(error)) from error

    with guarded(misfit):
        function = spec.load()
        evidence.code = code_of(spec)
    with (
        guarded(failed, (Unmeasurable, DataError, UsageError)),
        fence_of(spec.target.partition(":")[0], f"metric {spec.name!r} of {spec.target}"),
    ):
        computed = function(evidence)
    seconds = round(time.perf_counter() - began, 3)
    if not isinstance(computed, Score):
        raise FailedMetric(f"metric {spec.name!r} returned {type(computed).__name__}, not a Score")
    with guarded(misfit):
        return _recorded(spec, name, computed, protocol, seconds, _code(spec, evidence))


def _own(spec: MetricSpec) -> bool:
    return spec.target.startswith("genkit.")


_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a full disk last: from genkit's own metrics they end the evaluation, so that no record says that there is
no score."""


def _recorded(
    spec: MetricSpec, name: str, computed: Score, protocol: Protocol, seconds: float, code: dict[str, str]
) -> RecordedScore:
    """Return a metric's score as a record holds it; numbers of NumPy and torch become Python's."""
    recorded = RecordedScore(
        name=name,
        metric=spec.name,
        version=spec.version,
        direction=spec.direction,
        value=number(computed.value, "value"),
        stderr=number(computed.stderr, "standard error"),
        ci_low=number(computed.ci_low, "interval"),
        ci_high=number(computed.ci_high, "interval"),
        method=_of_type(str, computed.method, "method"),
        n=_of_type(int, computed.n, "n"),
        choices={key: plain(value) for key, value in protocol.choices(spec.name, spec.depends_on).items()},
        unit=spec.unit,
        rankable=_of_type(bool, computed.rankable, "rankable"),
        note=_of_type(str, computed.note, "note"),
        seconds=seconds,
        replicates=tuple(number(each, "jackknife value") for each in computed.replicates),
        parts={str(key): number(value, "part") for key, value in computed.parts.items()},
        code=code,
    )
    json.dumps(recorded.choices, allow_nan=False)  # or the whole record could not be written
    return recorded


def _of_type(kind: type[T], value: Any, what: str) -> T:
    found = plain(value)
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise DataError(f"its {what} is {type(value).__name__}, not {kind.__name__}")
    return found


def _code(spec: MetricSpec, evidence: Evidence) -> dict[str, str]:
    """Return the code of a plugin's metric and extractor, as a record has it."""
    extractor = evidence.extractor if needs_extractor(spec) else None
    codes = {"metric": evidence.code, "extractor": None if extractor is None else code_of_extractor(extractor)}
    return {
        f"{what}.{name}": value
        for what, code in codes.items()
        if code is not None
        for name, value in dataclasses.asdict(code).items()
        if value
    }


def score_fingerprint(spec: MetricSpec, protocol: Protocol) -> str:
    """Return the fingerprint that a score of this metric under this protocol will have."""
    return fingerprint({**protocol.choices(spec.name, spec.depends_on), "metric": spec.name, "version": spec.version})
