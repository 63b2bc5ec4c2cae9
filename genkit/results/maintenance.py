"""Maintenance of a store: validate records against their hashes, and migrate old schemas."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from genkit.files.guard import guarded, sentence
from genkit.results import records
from genkit.results.locations import open_location
from genkit.results.records import content_id
from genkit.results.store import StoredRecord, add, exhibits, scan


@dataclass(frozen=True)
class Health:
    """The number of unchanged records, and one sentence for each other file."""

    good: int = 0
    bad: list[str] = field(default_factory=list)


def check(root: Path | str) -> Health:
    """Read all records below ``root`` and compare them with the hashes and fingerprints they were written with."""
    bad: list[str] = []
    good = 0
    for stored in scan(root, bad.append):
        fault = _fault(stored)
        if fault:
            bad.append(f"{stored.path}: {fault}")
        else:
            good += 1
    return Health(good, sorted(bad))


def _fault(stored: StoredRecord) -> str:
    """What is wrong with a readable record; empty if nothing is."""
    faults: list[str] = []
    with guarded(lambda error: faults.append(f"it can't be checked: {sentence(error)}")):
        return _changed(stored)
    return faults[0]


def _changed(stored: StoredRecord) -> str:
    if not stored.name.endswith(f"-{content_id(stored.data)}.json"):
        return "its name does not hold the hash of its content, so nothing vouches for it"
    written = json.loads(stored.data)
    record = stored.record
    if written.get("protocol_fingerprint", record.protocol_fingerprint) != record.protocol_fingerprint:
        return "its protocol does not match the fingerprint in it"
    for plain, score in zip(written["scores"], record.scores, strict=True):
        if plain.get("fingerprint", score.fingerprint) != score.fingerprint:
            return f"its score {score.name} does not match the fingerprint in it"
    return ""


def outdated(root: Path | str, problem: Callable[[str], None]) -> tuple[list[StoredRecord], Counter[int]]:
    """Return the records below ``root`` with an older schema than the current one, and the count of each schema.

    A record that was edited is reported to ``problem`` and left out: rewriting it would hide the edit.
    """
    old, schemas = [], Counter({records.SCHEMA: 0})
    for stored in scan(root, problem):
        schemas[stored.record.schema] += 1
        if stored.record.schema < records.SCHEMA:
            fault = _fault(stored)
            if fault:
                problem(f"{stored.path}: {fault}")
            else:
                old.append(stored)
    return sorted(old, key=lambda stored: stored.path), schemas


def renew(stored: StoredRecord) -> str:
    """Rewrite a record and its exhibits in the current schema, remove the old ones and return the new path.

    The old record is removed last, so an interruption loses nothing.
    """
    old_id = stored.record.id
    record = dataclasses.replace(stored.record, schema=records.SCHEMA)
    stamp = stored.name.rpartition("-")[0]  # it keeps its place in the order
    path = add(stored.folder, record, exhibits(stored.folder, old_id), stamp)
    where = open_location(stored.folder)
    where.remove(f"records/{stored.name}")
    where.remove(f"exhibits/{old_id}")
    return path
