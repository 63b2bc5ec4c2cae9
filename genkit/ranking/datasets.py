"""The names of data sets on boards: one name of several contents is told apart, and a name is found in any case."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from genkit.errors import MissingError, UnknownName
from genkit.files.text import logger, read_back
from genkit.results.records import Record

_LOG = logger(__name__)


def content(record: Record) -> str:
    """Return the hash of the data that a record was measured on, empty if it does not say it."""
    return str(record.protocol.get("data", {}).get("sha256") or "")


def told_apart(records: Sequence[Record]) -> list[Record]:
    """Return records whose data sets have one name and several contents as ``NAME@HASH``, others as they are.

    So are two folders ``photos``, or one that has changed.
    """
    contents: dict[str, set[str]] = {}
    for record in records:
        contents.setdefault(record.dataset, set()).add(content(record))
    return [
        _renamed(record, f"{record.dataset}@{content(record)[:6]}")
        if content(record) and len(contents[record.dataset] - {""}) > 1
        else record
        for record in records
    ]


def choose_dataset(records: Sequence[Record], wanted: str | None) -> str:
    """Return the data set named, by default the newest record's.

    Of several contents of one name, told apart as by ``told_apart``, it is the newest record's, and that is logged.
    Raises MissingError without records and UnknownName for a data set that no record has.
    """
    if not records:
        raise MissingError("there are no records yet: genkit eval --model dcgan makes the first")
    if wanted is None:
        return max(models_or_baselines(records), key=lambda record: record.place).dataset
    same = [record for record in records if record.dataset.rpartition("@")[0].lower() == wanted.lower()]
    if same and not any(record.dataset.lower() == wanted.lower() for record in records):
        newest = max(models_or_baselines(same), key=lambda record: record.place).dataset
        others = sorted({record.dataset for record in same} - {newest})
        _LOG.warning(
            "%s is the name of %d data sets: this is %s, measured last; also here: %s",
            wanted,
            len(others) + 1,
            newest,
            ", ".join(others),
        )
        return newest
    return choose("data set", wanted, [record.dataset for record in records])


def choose(kind: str, wanted: str, available: Sequence[str], of: str = "") -> str:
    """Return a name as it is written among those available, found in any case; raises UnknownName."""
    for each in (wanted, read_back(wanted)):
        if each in available:
            return each
    found = sorted({name for name in available if name.lower() == wanted.lower()})
    if len(found) != 1:
        names = ", ".join(sorted(set(available)))
        metrics = [name.partition("[")[0] for name in available]
        raise UnknownName(kind, wanted, [*available, *metrics], f" The records{of} have: {names}")
    return found[0]


def models_or_baselines(records: Sequence[Record]) -> Sequence[Record]:
    """Return the records of models and images, or those of baselines if there are no others."""
    return [record for record in records if record.subject.kind != "baseline"] or records


def _renamed(record: Record, dataset: str) -> Record:
    """Return a record under another data set's name, with the id that it is stored under."""
    renamed = dataclasses.replace(record, dataset=dataset)
    vars(renamed)["id"] = record.id
    return renamed
