"""Records: one immutable JSON document per evaluation. Old ones load for ever.

Schema 1. Reading is strict about what it needs and ignores fields that it does not know.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from genkit.errors import DataError
from genkit.results.documents import parse
from genkit.results.protocol import fingerprint
from genkit.results.score import Direction

SCHEMA = 1


@dataclass(frozen=True)
class RecordedScore:
    """A score with its name, what it is of, and the choices that move it.

    ``name`` is what a board's column is called, such as ``fid[digits-cnn]``; the interval, ``replicates`` and ``parts``
    are those of genkit.results.score.Score.
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
    replicates: tuple[float, ...] = field(default=(), repr=False)
    parts: dict[str, float] = field(default_factory=dict)

    @functools.cached_property
    def fingerprint(self) -> str:
        """The fingerprint of everything that moves this number, the metric and its version included."""
        key = repr((self.choices, self.metric, self.version))
        if key not in _FINGERPRINTS:
            _FINGERPRINTS[key] = fingerprint({**self.choices, "metric": self.metric, "version": self.version})
        return _FINGERPRINTS[key]


_FINGERPRINTS: dict[str, str] = {}
"""Known ones: thousands of records share a few sets of choices, and hashing is most of what a board would do."""


@dataclass(frozen=True)
class Subject:
    """What was measured: a model with its options, or a set of images.

    ``kind`` is "model", "baseline" (calibrates a board, is not ranked) or "images".
    """

    name: str
    kind: str = "model"
    family: str = ""
    dist: str = ""
    version: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """Where the measured weights come from."""

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
    processes: int = 1


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
    """Metric -> why there is no number."""
    training: Training | None = None
    cost: dict[str, float] = field(default_factory=dict)
    """Of old records; now costs are scores."""
    environment: dict[str, str] = field(default_factory=dict)
    command: str = ""
    schema: int = SCHEMA

    @property
    def protocol_fingerprint(self) -> str:
        """The fingerprint of the whole protocol."""
        return fingerprint(self.protocol)

    @functools.cached_property
    def id(self) -> str:
        """Twelve digits of the content's hash; a record of a store has those of its file, whatever genkit wrote it."""
        return content_id(to_json(self).encode())

    def score(self, name: str) -> RecordedScore | None:
        """Return the score of a column name, or None."""
        return next((score for score in self.scores if score.name == name), None)


def content_id(data: bytes) -> str:
    """Return what a record's file is called by: twelve digits of its content's hash."""
    return hashlib.sha256(data).hexdigest()[:12]


def to_json(record: Record) -> str:
    """Return a record as JSON text; raises DataError if a number in it is not finite."""
    document = dataclasses.asdict(record)
    try:
        document["protocol_fingerprint"] = record.protocol_fingerprint
        for plain, score in zip(document["scores"], record.scores, strict=True):
            plain["fingerprint"] = score.fingerprint
        return json.dumps(document, indent=1, allow_nan=False) + "\n"
    except ValueError as error:
        raise DataError(f"the record of {record.subject.name} holds a number that is not finite") from error


def from_json(text: str | bytes, origin: str, known_id: str = "") -> Record:
    """Read a record; raises DataError, naming ``origin``, for one that is corrupt, not finite or of a future schema.

    ``known_id`` is the id it is stored under: writing it again to hash it would give another where fields were added.
    """
    record = parse(Record, text, f"{origin} is not a record", SCHEMA)
    if known_id:
        vars(record)["id"] = known_id
    return record
