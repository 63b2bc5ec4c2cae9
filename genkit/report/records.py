"""Export of records: CSV with a row per score, JSON, or JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from genkit.files import text
from genkit.results.records import Record
from genkit.results.store import StoredRecord


def comma_separated(stored: Sequence[StoredRecord]) -> str:
    """Return CSV with a header and one row per score."""
    return text.comma_separated([_COLUMNS, *(row for each in stored for row in _rows(each.record))])


def document(stored: Iterable[StoredRecord]) -> str:
    """Return a JSON list of the records as stored."""
    return text.json_text([json.loads(each.data) for each in stored], indent=1) + "\n"


def lines(stored: Iterable[StoredRecord]) -> str:
    """Return JSON Lines, one record as stored per line."""
    return "".join(text.json_text(json.loads(each.data)) + "\n" for each in stored)


WRITERS = {"csv": comma_separated, "jsonl": lines, "json": document}
"""The formats, by file suffix."""

_SCORE = (
    *("name", "metric", "value", "stderr", "ci_low", "ci_high", "method", "n"),
    *("direction", "unit", "fingerprint", "rankable", "note"),
)
_TRAINING = ("run", "seed", "images", "budget", "seconds", "weights", "checkpoint_sha256")
_COLUMNS = (
    *("record", "created", "dataset", "kind", "model", "dist", "version", "options"),
    *("train_seconds" if name == "seconds" else name for name in _TRAINING),
    *("score", *_SCORE[1:], "protocol_fingerprint"),
)


def _rows(record: Record) -> Iterator[list[Any]]:
    subject, training = record.subject, record.training
    trained = [getattr(training, name, None) for name in _TRAINING]
    made = [subject.kind, subject.name, subject.dist, subject.version, text.json_text(subject.options)]
    for score in record.scores:
        measured = [getattr(score, name) for name in _SCORE]
        yield [record.id, record.created, record.dataset, *made, *trained, *measured, record.protocol_fingerprint]
