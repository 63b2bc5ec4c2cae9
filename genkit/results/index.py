"""An index of a store: what its records held when they were last read, so that a board need not parse them again.

It is never the truth. Every record's bytes are still read and hashed, and what the index knows is found by that SHA-256
alone: an edited record has another hash, and is parsed. The index is used only if it has the hash that it was written
with and was made by the code that would parse the records now; else it is made again. It is in the cache folder, where
nobody who hands over a store can put one, and where a store that can't be written to has one too. It is written by one
rename, so of several writers the last one's is there, whole.

A record is a line of JSON. What many records share, such as protocols and choices, is written once. The numbers of
scores follow as 64-bit floats; replicates and parts become Python numbers only when they are asked for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import sys
from array import array
from pathlib import Path
from typing import Any, NamedTuple

from genkit.files.folders import cache_dir
from genkit.files.reading import open_file, read_file
from genkit.files.text import logger
from genkit.files.writing import write_atomic
from genkit.results.packing import NUMBERS, SHARED, Layout, Shape, packed_record
from genkit.results.records import ID_DIGITS, Record, Subject, Training, from_json

LEAST = 256
"""The index is written once so many records are not in it; fewer are parsed at each reading."""

_LOG = logger(__name__)
_PACKAGE = Path(__file__).parents[1]
_HASH = 64  # digits, then a new line
_SAMPLING = [field.name for field in dataclasses.fields(Training)].index("sampling")
_TRAINED = tuple(field.name for field in dataclasses.fields(Training) if field.name != "sampling")


class _Entry(NamedTuple):
    """A record: where its numbers are, how many there are, and the rest as JSON."""

    numbers: array[float]
    start: int
    size: int
    facts: bytes


class Index:
    """The records of one store by the SHA-256 of their files' content."""

    def __init__(self, root: Path | str) -> None:
        """Open the index of the store at ``root``; it is empty without a file that can be used."""
        address = root if isinstance(root, str) and ":" in root else os.path.abspath(root)
        self.path = cache_dir() / "records" / f"{hashlib.sha256(os.fsencode(address)).hexdigest()[:32]}.index"
        self.entries: dict[str, _Entry] = {}
        self.used: dict[str, _Entry] = {}
        self.shared = _Shared([])
        with contextlib.suppress(OSError):
            self._load()

    def record(self, data: bytes, origin: str, digest: str) -> Record:
        """Return the record that a file holds, of which ``digest`` is the SHA-256; errors are those of from_json."""
        entry = self.entries.get(digest)
        if entry is None:
            entry = self._entry(from_json(data, origin))
        self.used[digest] = entry
        record = self._made(entry)
        vars(record)["id"] = digest[:ID_DIGITS]
        return record

    def save(self) -> None:
        """Write the index of the records that were asked for, if it knows too few or too many others."""
        new, gone = len(self.used.keys() - self.entries.keys()), len(self.entries.keys() - self.used.keys())
        if new < LEAST and gone < LEAST + len(self.used):
            return
        lines, numbers, start = [], array("d"), 0
        for digest, entry in self.used.items():
            lines.append(b"%s %d %d %s\n" % (digest.encode(), start, entry.size, entry.facts))
            numbers.extend(entry.numbers[entry.start : entry.start + entry.size])
            start += entry.size
        text = b"".join(lines)
        head = {"code": _code(), "shared": self.shared.texts, "lines": len(text), "numbers": len(numbers)}
        parts = json.dumps(head).encode() + b"\n", text, memoryview(numbers).cast("B")
        with contextlib.suppress(OSError):  # without it, records are parsed
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, b"".join((_hash(*parts), b"\n", *parts)))

    def _load(self) -> None:
        with open_file(self.path) as file:
            digest, head = file.read(_HASH + 1), file.readline()
            try:
                known = json.loads(head)
                text, numbers = file.read(known["lines"]), array("d")
                numbers.frombytes(file.read(numbers.itemsize * known["numbers"]))
                whole = digest == _hash(head, text, memoryview(numbers).cast("B")) + b"\n" and not file.read(1)
            except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError, OverflowError):
                whole = False
        if not whole:
            _LOG.warning("the index %s is damaged, and made again from the records", self.path)
        elif known["code"] == _code():
            self.shared = _Shared(known["shared"])
            for line in text.splitlines():
                name, start, size, facts = line.split(b" ", 3)
                self.entries[name.decode()] = _Entry(numbers, int(start), int(size), facts)

    def _entry(self, record: Record) -> _Entry:
        """Pack a record."""
        numbers, shapes, place = array("d"), [], self.shared.place
        for score in record.scores:
            for own in ([getattr(score, name) for name in NUMBERS], score.replicates, score.parts.values()):
                numbers.extend(own)
            shared = [getattr(score, name) for name in SHARED]
            shapes.append(place([shared, len(score.replicates), list(score.parts)]))
        subject, training = record.subject, record.training
        trained = [*(getattr(training, name) for name in _TRAINED), place(training.sampling)] if training else None
        made = subject.name, subject.kind, subject.family, subject.dist, subject.version
        facts = (
            *(record.created, record.dataset, [*made, place(subject.options), place(subject.sampling)]),
            *(place(record.protocol), place(shapes), place(record.absent), trained, place(record.cost)),
            *(place(record.environment), record.command, record.schema),
        )
        return _Entry(numbers, 0, len(numbers), json.dumps(facts).encode())

    def _made(self, entry: _Entry) -> Record:
        """Unpack a record."""
        created, dataset, (name, kind, family, dist, version, *drawn), protocol, shapes, absent, trained, *rest = (
            json.loads(entry.facts)
        )
        cost, environment, command, schema = rest
        of = self.shared.value
        facts = {
            "created": created,
            "dataset": dataset,
            "subject": Subject(name, kind, family, dist, version, *map(of, drawn)),
            "protocol": of(protocol),
            "absent": of(absent),
            "training": self._training(trained) if trained else None,
            "cost": of(cost),
            "environment": of(environment),
            "command": command,
            "schema": schema,
            "order": "",
        }
        return packed_record(facts, self.shared.layout(shapes), entry.numbers, entry.start)

    def _training(self, facts: list[Any]) -> Training:
        *trained, sampling = facts
        trained.insert(_SAMPLING, self.shared.value(sampling))
        return Training(*trained)


class _Shared:
    """JSON values that many records have, each once, by place."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.places: dict[str, int] = {}
        self.values: dict[int, Any] = {}
        self.shapes: dict[int, Shape] = {}
        self.layouts: dict[int, Layout] = {}

    def place(self, value: Any) -> int:
        """Return the place of a value, which is added if need be."""
        key = repr(value)  # tells 1, 1.0 and True apart, and is faster than JSON
        if key not in self.places:
            self.places[key] = len(self.texts)
            self.texts.append(json.dumps(value))
        return self.places[key]

    def value(self, place: int) -> Any:
        """Return the value at a place, the same object each time."""
        if place not in self.values:
            self.values[place] = json.loads(self.texts[place])
        return self.values[place]

    def layout(self, place: int) -> Layout:
        """Return the layout of scores whose shapes' places are at a place, the same object each time."""
        if place not in self.layouts:
            self.layouts[place] = Layout.of([self.shape(each) for each in self.value(place)])
        return self.layouts[place]

    def shape(self, place: int) -> Shape:
        """Return the shape of scores at a place, the same object each time."""
        if place not in self.shapes:
            shared, replicates, parts = self.value(place)
            self.shapes[place] = Shape.of(dict(zip(SHARED, shared, strict=True)), replicates, tuple(parts))
        return self.shapes[place]


def _hash(*parts: bytes | memoryview) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest().encode()


@functools.cache
def _code() -> str:
    """Identify the code that makes records of files, and how this machine writes numbers."""
    digest = hashlib.sha256(f"{sys.version} {sys.byteorder}".encode())
    for source in (*sorted((_PACKAGE / "results").glob("*.py")), *sorted((_PACKAGE / "files").glob("*.py"))):
        digest.update(read_file(source))
    return digest.hexdigest()
