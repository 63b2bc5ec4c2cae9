"""Records: one immutable JSON document per evaluation.

Schema 1. Reading checks the known fields and ignores unknown ones.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genkit.errors import DataError
from genkit.files.guard import LARGEST
from genkit.files.order import placed
from genkit.results.columns import Columns, columns_of
from genkit.results.documents import parse
from genkit.results.intervals import jackknife_interval
from genkit.results.protocol import fingerprint
from genkit.results.score import Direction

SCHEMA = 1

_UNPACKED = ("_packed", "columns")
"""What is not copied with a record."""

ID_DIGITS = 12
"""Digits of a record's SHA-256 that are its id."""


@dataclass(frozen=True)
class RecordedScore:
    """A score as stored, with its metric and the choices that determine it.

    ``name`` is the column name on a board, such as ``fid[digits-cnn]``. The interval, ``replicates`` and ``parts`` are
    those of genkit.results.score.Score.
    """

    name: str
    metric: str
    version: int
    direction: Direction
    value: float
    stderr: float
    ci_low: float
    ci_high: float
    method: str
    n: int
    choices: dict[str, Any] = field(repr=False)
    unit: str = ""
    rankable: bool = True
    note: str = ""
    seconds: float = 0.0
    replicates: tuple[float, ...] = field(default_factory=tuple, repr=False)
    parts: dict[str, float] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict, repr=False)
    """The code of a plugin's metric and extractor: ``dist``, ``version`` and ``source`` of each, as in
    ``metric.source``. Empty where both are genkit's own."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return replicates and parts of a score of packing.py, which are unpacked whenever they are asked for."""
            if name not in ("replicates", "parts"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            shape, numbers, start = map(self.__getattribute__, ("_shape", "_packed", "_start"))
            middle = start + shape.replicates
            if name == "replicates":
                return tuple(numbers[start:middle])
            return dict(zip(shape.parts, numbers[middle : middle + len(shape.parts)], strict=True))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, each.name) for each in dataclasses.fields(self))

    @functools.cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the choices, the metric and its version: only equal ones are comparable."""
        key = repr((self.choices, self.metric, self.version))
        if key not in _FINGERPRINTS:
            _FINGERPRINTS[key] = fingerprint({**self.choices, "metric": self.metric, "version": self.version})
        return _FINGERPRINTS[key]

    def around_its_value(self) -> RecordedScore:
        """Return the score with the interval that it would have if it were measured now.

        That of an old distance or inception score was for endless samples, and need not hold the value.
        """
        if self.method not in _FOR_ENDLESS_SAMPLES or len(self.replicates) < 4:
            return self
        method, least = _FOR_ENDLESS_SAMPLES[self.method]
        if "two-sample" in method:
            half = len(self.replicates) // 2
            _, low, high = jackknife_interval(self.value, self.replicates[:half], self.replicates[half:])
        else:
            # Biased downwards, so the old interval lay higher; it ended at the number of classes, which is not stored.
            _, low, high = jackknife_interval(self.value, self.replicates)
            high = max(min(high, self.ci_high), self.value)
        return dataclasses.replace(self, ci_low=min(max(low, least), self.value), ci_high=high, method=method)


_FOR_ENDLESS_SAMPLES = {
    "bias-corrected two-sample block jackknife": ("two-sample block jackknife", 0.0),
    "two-sample block jackknife above the value, 0 below: the bias of so few is not known": (
        "two-sample block jackknife",
        0.0,
    ),
    "bias-corrected block jackknife": ("block jackknife", 1.0),
}
"""Methods of old records: that of the interval they have now, and the least value of the metric."""

_FINGERPRINTS: dict[str, str] = {}
"""A cache: thousands of records share a few sets of choices, and hashing would dominate the making of a board."""


@dataclass(frozen=True)
class Subject:
    """What was evaluated: a model with its options, or a set of images.

    ``kind`` is "model", "baseline" (on a board for calibration, not ranked) or "images".
    """

    name: str
    kind: str = "model"
    family: str = ""
    dist: str = ""
    version: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)
    """The options of drawing that were used."""


@dataclass(frozen=True)
class Training:
    """How the evaluated weights were trained."""

    run: str
    checkpoint_sha256: str
    seed: int
    images: int
    budget: str
    batch: int
    seconds: float
    weights: str
    """"ema" or "raw"."""
    finished: bool = True
    sampling: dict[str, Any] = field(default_factory=dict)
    """The run's own options of drawing, which boards rank."""
    processes: int = 1
    precision: str = ""
    """"float32" or "bfloat16"; empty in older records and runs, which did not say."""
    batch_norm: str = ""
    """"averaged" where several processes averaged the statistics of batch normalisation; empty without such."""
    tuned: dict[str, Any] = field(default_factory=dict)
    """Of a run that was adapted from another: ``parent``, the SHA-256 of the checkpoint that it began with, ``run``,
    the id of that run, and how; empty for other runs."""


@dataclass(frozen=True)
class Record:
    """One evaluation."""

    created: str
    """UTC, ISO 8601."""
    dataset: str
    subject: Subject
    protocol: dict[str, dict[str, Any]]
    scores: tuple[RecordedScore, ...]
    absent: dict[str, str] = field(default_factory=dict)
    """The reason why a metric has no number, by metric."""
    training: Training | None = None
    cost: dict[str, float] = field(default_factory=dict)
    """Only in old records; costs are scores now."""
    environment: dict[str, str] = field(default_factory=dict)
    command: str = ""
    schema: int = SCHEMA
    order: str = field(default="", compare=False, repr=False)
    """When it came into its store, as the name of its file says; not in the document. Empty in older records."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return the scores of a record of packing.py, which are unpacked when they are asked for."""
            if name != "scores" or "_packed" not in vars(self):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            scores = vars(self)["scores"] = vars(self)["_packed"].all()
            return scores

    def __getstate__(self) -> dict[str, Any]:
        return {"scores": self.scores, **{name: each for name, each in vars(self).items() if name not in _UNPACKED}}

    @functools.cached_property
    def columns(self) -> Columns:
        """What its scores are called and by which protocols they were measured, without unpacking them."""
        return columns_of(tuple((each.name, each.fingerprint, each.rankable, bool(each.code)) for each in self.scores))

    @functools.cached_property
    def place(self) -> str:
        """What records are sorted by, oldest first: ``order``, which a clock that is set back does not turn round."""
        return placed(self.order, self.created)

    @property
    def at_own_point(self) -> bool:
        """Whether a model was drawn from with its run's own options of drawing, so that boards rank it."""
        return self.training is None or self.subject.sampling == self.training.sampling

    @property
    def protocol_fingerprint(self) -> str:
        """The fingerprint of the whole protocol."""
        return fingerprint(self.protocol)

    @functools.cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits of the content's hash; for a record read from a store, of its file's content."""
        return content_id(to_json(self).encode())

    def score(self, name: str) -> RecordedScore | None:
        """Return the score of a column name, or None."""
        place = self.columns.places.get(name)
        return None if place is None else self.score_at(place)

    def score_at(self, place: int) -> RecordedScore:
        """Return the score at a place of ``scores``, unpacking no other."""
        packed = vars(self).get("_packed")
        return self.scores[place] if packed is None else packed.at(place)


def content_id(data: bytes) -> str:
    """Return twelve hexadecimal digits of the content's SHA-256, which name a record's file."""
    return hashlib.sha256(data).hexdigest()[:ID_DIGITS]


def to_json(record: Record) -> str:
    """Return a record as JSON text; raises DataError if a number in it is not finite."""
    document = dataclasses.asdict(record)
    del document["order"]
    try:
        document["protocol_fingerprint"] = record.protocol_fingerprint
        for part in (document["subject"], document["training"] or {}):
            if not part.get("sampling", True):
                del part["sampling"]  # a model without options of drawing has the records of before there were any
            if not part.get("tuned", True):
                del part["tuned"]  # likewise
        for plain, score in zip(document["scores"], record.scores, strict=True):
            plain["fingerprint"] = score.fingerprint
            if not plain["code"]:
                del plain["code"]
        return json.dumps(document, indent=1, allow_nan=False) + "\n"
    except ValueError as error:
        raise DataError(f"the record of {record.subject.name} holds a number that is not finite") from error


def from_json(text: str | bytes, origin: str, known_id: str = "") -> Record:
    """Read a record; raises DataError, naming ``origin``, for one that is corrupt, not finite or of a future schema.

    ``known_id`` is the id under which it is stored. Serialising it again would give another id where the current
    schema has more fields. Intervals of old scores are made anew from their replicates.
    """
    record = parse(Record, text, f"{origin} is not a record", SCHEMA)
    if fault := _fault(record):
        raise DataError(f"{origin} is not a record: {fault}")
    record = dataclasses.replace(record, scores=tuple(score.around_its_value() for score in record.scores), order="")
    if known_id:
        vars(record)["id"] = known_id
    return record


_TYPES: dict[str, type] = {
    **dict.fromkeys(("data.dataset", "data.sha256", "data.reference", "data.test"), str),
    **dict.fromkeys(("features.extractor", "features.sha256"), str),
    **dict.fromkeys(("samples.quantisation", "hardware.device"), str),
    **dict.fromkeys(("samples.count", "samples.chunk", "samples.seed", "likelihood.seed"), int),
}
"""The types of the choices that genkit itself reads; no choice but a metric's own is an object."""


def _fault(record: Record) -> str:
    """Say which choice of a record has no value that a choice may have; empty if none."""
    for score in record.scores:
        if any(abs(part) > LARGEST for part in score.parts.values()):
            return f"it holds numbers beyond {LARGEST:g}"
        if wrong := _wrong(score.choices):
            return f"{wrong} in the choices of {score.name}"
    for group, choices in record.protocol.items():
        if group == "parameters":
            for metric, values in choices.items():
                if not isinstance(values, dict):
                    return f"parameters.{metric} is {json.dumps(values)[:80]}, not an object, in its protocol"
        elif wrong := _wrong({f"{group}.{key}": value for key, value in choices.items()}):
            return f"{wrong} in its protocol"
    return ""


def _wrong(choices: Mapping[str, Any]) -> str:
    for key, value in choices.items():
        kind = type(value)
        if kind is not _TYPES.get(key, kind):
            return f"{key} is {json.dumps(value)[:80]}, not {_WORDS[_TYPES[key]]},"
        if kind is dict and not key.startswith("parameters."):
            return f"{key} is {json.dumps(value)[:80]}, not a plain value,"
    return ""


_WORDS = {str: "text", int: "a whole number"}
