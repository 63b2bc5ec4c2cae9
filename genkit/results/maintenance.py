"""Maintenance of a store: validate records against their hashes, pages against each other, and migrate old schemas."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from genkit.files.guard import guarded, sentence
from genkit.files.reading import entire, read_file
from genkit.results import records
from genkit.results.jobs import Outcome
from genkit.results.locations import is_url, open_location
from genkit.results.records import Record, content_id
from genkit.results.store import StoredRecord, add, exhibits, scan

PAGES = ("board.md", "report.html")
"""What ``genkit bench`` writes beside the records of a board, each in a rename of its own."""

_MARK = re.compile(rb"<!-- genkit-records [0-9]+ [0-9a-f]{12} -->")


@dataclass(frozen=True)
class Health:
    """The number of unchanged records, and one sentence for each other file."""

    good: int = 0
    bad: list[str] = field(default_factory=list)


def mark(found: Iterable[Record], failed: Iterable[Outcome] = ()) -> bytes:
    """Return the last line of pages made from records and failed jobs, a comment in Markdown and HTML.

    Two pages with different ones were not written together.
    """
    ids = sorted([record.id for record in found] + [each.job.id for each in failed])
    return f"\n<!-- genkit-records {len(ids)} {hashlib.sha256(' '.join(ids).encode()).hexdigest()[:12]} -->\n".encode()


def _apart(root: Path | str) -> list[str]:
    """Say that the pages in a folder are of different records, as after a kill between the two: each is whole."""
    found = {}
    for name in () if is_url(root) else PAGES:
        with contextlib.suppress(OSError):
            if match := _MARK.search(read_file(Path(root, name), entire())[-100:]):
                found[name] = match[0]
    if len(set(found.values())) < 2:
        return []
    return [f"{' and '.join(found)} in {root} were made from different records: genkit bench writes both anew"]


def check(root: Path | str) -> Health:
    """Read all records below ``root`` and compare them with the hashes and fingerprints they were written with.

    The pages that ``genkit bench`` writes must be of the same records.
    """
    bad = _apart(root)
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
