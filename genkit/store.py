"""The store: any folder that holds ``**/records/*.json``. Records are added, never changed."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

from genkit.errors import DataError, GenkitError
from genkit.paths import write_atomic
from genkit.records import Record, from_json, to_json


@dataclass(frozen=True)
class Contents:
    """What a store holds: the records, oldest first, and one sentence for each file that is not one."""

    records: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def add(folder: Path, record: Record) -> Path:
    """Write a record under ``folder/records`` atomically and return its path."""
    stamp = record.created.replace(":", "").replace("-", "")[:15]
    path = folder / "records" / f"{stamp}-{record.id}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, to_json(record).encode())
    except OSError as error:
        raise GenkitError(f"the record can't be written to {path}: {error.strerror or error}") from error
    return path


def ready(folder: Path) -> None:
    """Raise GenkitError unless a record can be written under ``folder``: before the work, not after it."""
    path = folder / "records"
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise GenkitError(f"no record can be written to {path}: {error.strerror or error}") from error


def read(root: Path) -> Contents:
    """Read all records below ``root``; what can't be read is reported, never fatal."""
    found: list[tuple[str, str, Record]] = []
    problems: list[str] = []
    for folder, _, files in os.walk(root):
        if os.path.basename(folder) != "records":
            continue
        for name in files:
            if not name.endswith(".json") or name.startswith("."):
                continue
            path = Path(folder, name)
            try:
                record = from_json(path.read_bytes(), str(path))
                found.append((record.created, str(path), record))
            except (DataError, OSError) as error:
                problems.append(str(error))
    return Contents([record for *_, record in sorted(found, key=lambda entry: entry[:2])], sorted(problems))
