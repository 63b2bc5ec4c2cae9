"""The store: any folder or URL with ``**/records/*.json``. Records are added, never changed.

Each record's exhibits (pictures and curves) are in ``exhibits/<record id>``, next to ``records``.
"""

from __future__ import annotations

import gc
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from genkit.errors import DataError, GenkitError, GenkitWarning
from genkit.files.guard import guarded, sentence
from genkit.files.integrity import LISTING, check_listed, check_named, listing_of
from genkit.files.order import next_in_order
from genkit.files.text import logger
from genkit.results.index import Index
from genkit.results.locations import open_location
from genkit.results.records import ID_DIGITS, Record, content_id, from_json, to_json

P = TypeVar("P", Path, str)

_LOG = logger(__name__)
_STAMPED = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})?-")


@dataclass(frozen=True)
class StoreContents:
    """The records of a store, oldest first, and one sentence for each file that can't be read as one.

    ``origins`` maps a record's id to the folder or URL that holds its ``records`` folder.
    """

    records: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)

    def check_any(self) -> None:
        """Raise DataError if there are files and none can be read: such a store is not one without records."""
        if self.problems and not self.records:
            more = len(self.problems) - 1
            raise DataError(f"no record can be read: {self.problems[0]}{f'; and {more} more like it' if more else ''}")


@dataclass(frozen=True)
class StoredRecord:
    """A record with its file's name, path or URL and content, and the folder or URL of its ``records`` folder."""

    record: Record
    name: str
    path: str
    folder: str
    data: bytes


def add(folder: P, record: Record, exhibits: Mapping[str, bytes] | None = None, stamp: str = "") -> P:
    """Write a record atomically to ``folder/records`` and return its path, or its URL if ``folder`` is one.

    ``exhibits``, files by name, are written first. ``stamp`` is what the name of its file begins with, by default the
    record's own time. Raises DataError for an exhibit with an invalid file name, and GenkitError if nothing can be
    written.
    """
    data = to_json(record).encode()
    name = content_id(data)
    for each in exhibits or ():
        _check_plain(each)
    where = open_location(folder)
    if exhibits:
        where.write_folder(f"exhibits/{name}", {**exhibits, LISTING: listing_of(exhibits)})
    stamp = stamp or re.sub(r"[^0-9T]", "", record.created)[:15]
    return type(folder)(where.write(f"records/{stamp}-{name}.json", data))


def append(folder: P, record: Record, exhibits: Mapping[str, bytes] | None = None) -> P:
    """Write a record that has just been measured, as ``add`` does: it becomes the newest of its store.

    The store of a run's folder is the folder of all runs. The order is in the file's name: see ``stamp_of``.
    """
    return add(folder, record, exhibits, stamp=stamp_of(folder, record))


def stamp_of(folder: Path | str, record: Record) -> str:
    """Return what the name of a record's file begins with if it is the newest of its store.

    It is the record's time, or just after the newest there, if the clock was set back since.
    """
    order = next_in_order(map(_time, open_location(folder).record_names()), record.created)
    return re.sub(r"[^0-9T]", "", order)[:18]


def _time(name: str) -> str:
    """The time in the name of a record's file; of an older one, whose name has whole seconds, the last it can be."""
    found = _STAMPED.match(name)
    if found is None:
        return ""
    year, month, day, hour, minute, second, fraction = found.groups(default="999")
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}.{fraction}+00:00"


def ready(folder: Path | str) -> None:
    """Raise GenkitError if no record can be written under ``folder``; call it before long work."""
    open_location(folder).ready("records")


def read(root: Path | str) -> StoreContents:
    """Read all records below ``root``, each once. Files that can't be read become ``problems``.

    A missing folder is an empty store. Raises GenkitError for a URL that can't be reached.
    """
    problems: list[str] = []
    index = Index(root)
    with without_collection():
        slim = (
            StoredRecord(each.record, each.name, each.path, each.folder, b"")  # thousands of contents need much memory
            for each in scan(root, problems.append, index.record)
        )
        found = ordered(slim)
    index.save()
    return StoreContents(
        [each.record for each in found], sorted(problems), {each.record.id: each.folder for each in found}
    )


def known(root: Path | str) -> list[Record]:
    """Read all records below ``root``, oldest first, and log one line for each file that is left out."""
    return [each.record for each in ordered(scan(root, log_left_out))]


def log_left_out(problem: str) -> None:
    """Log one line for a file that ``scan`` leaves out."""
    _LOG.warning("left out: %s", problem)


def unusable(record: Record, origins: Mapping[str, str], why: str) -> str:
    """Name a record that can be read and not used, and the folder or URL that holds it."""
    return f"record {record.id} in {origins.get(record.id, 'this store')} can't be used: {why}"


def ordered(found: Iterable[StoredRecord]) -> list[StoredRecord]:
    """Return records, oldest first; of copies, the one whose path sorts first."""
    once: dict[str, StoredRecord] = {}
    for each in sorted(found, key=lambda stored: stored.path):
        once.setdefault(each.record.id, each)
    return sorted(once.values(), key=lambda stored: stored.record.place)


def _parsed(data: bytes, path: str, digest: str) -> Record:
    return from_json(data, path, digest[:ID_DIGITS])


def scan(
    root: Path | str, problem: Callable[[str], None], parse: Callable[[bytes, str, str], Record] = _parsed
) -> Iterator[StoredRecord]:
    """Yield all records below ``root`` in any order.

    ``problem`` is called for each file that can't be read or does not have the content that its name is the hash of.
    ``parse`` makes a record of content, path and the SHA-256 of the content.
    """
    for folder, name, path, data in open_location(root).records():
        if isinstance(data, str):
            problem(f"{path} can't be read: {data}")
            continue
        made: list[Record] = []
        with guarded(lambda error, path=path: problem(_fault(error, path))):  # type: ignore[misc]
            made.append(parse(data, path, check_named(name, data, path)))
        for record in made:
            vars(record)["order"] = _order(name)
            yield StoredRecord(record, name, path, folder, data)


def _order(name: str) -> str:
    found = _STAMPED.match(name)
    return _time(name) if found and found[7] else ""


def _fault(error: BaseException, path: str) -> str:
    return str(error) if isinstance(error, DataError) else f"{path} is not a record: {sentence(error)}"


def exhibits(origin: Path | str, record_id: str) -> dict[str, bytes]:
    """Return the exhibits of a record by file name, empty if it has none. ``origin`` is from StoreContents.origins.

    One that is not what was written is left out with a GenkitWarning. Raises GenkitError for one that can't be read.
    """
    _check_plain(record_id)
    found: dict[str, bytes] = {}
    for name, content in open_location(origin).files(f"exhibits/{record_id}").items():
        if isinstance(content, str):
            raise GenkitError(f"the exhibit {name} of {record_id} in {origin} can't be read: {content}")
        found[name] = content
    right, wrong = check_listed(found)
    if wrong:
        warnings.warn(
            f"{', '.join(wrong)} of {origin}/exhibits/{record_id} can't be shown, as what is there was changed or "
            "damaged since it was written: restore it from a copy, or measure again",
            GenkitWarning,
            stacklevel=2,
        )
    return right


def _check_plain(name: str) -> None:
    if not re.fullmatch(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]*", name):
        raise DataError(f"{name!r} can't name an exhibit: give a plain file name without slashes or a leading dot")


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause garbage collection while thousands of records or rows are made: all of them stay alive."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
