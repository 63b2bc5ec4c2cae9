"""Jobs of a board and how they ended. A job trains one model from one seed and evaluates it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genkit.errors import DataError, GenkitError
from genkit.files.integrity import sealed
from genkit.files.reading import read_file
from genkit.files.text import logger
from genkit.files.writing import write_atomic
from genkit.options import current_names, original_names
from genkit.results.documents import parse_sealed
from genkit.results.location import is_document
from genkit.results.locations import open_location
from genkit.results.protocol import fingerprint
from genkit.results.records import Record

SCHEMA = 1

_LOG = logger(__name__)


@dataclass(frozen=True)
class Job:
    """All that determines a job's record: what is trained, and in ``asked`` how it is evaluated."""

    model: str
    dist: str
    version: str
    options: dict[str, Any]
    dataset_sha256: str
    seed: int
    images: int
    batch: int
    asked: dict[str, Any]

    @property
    def id(self) -> str:
        """Twelve digits of the hash of the inputs, with options under their first names: an id outlives a renaming."""
        return fingerprint({**dataclasses.asdict(self), "options": original_names(self.options)})


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``state`` is "done", with the name of its record, or "failed", with the reason."""

    job: Job
    state: str
    record: str = ""
    reason: str = ""
    seconds: float = 0.0
    schema: int = SCHEMA

    def publish(self, folder: Path) -> None:
        """Write the outcome atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(_file(folder, self.job), sealed(dataclasses.asdict(self)))


def outcome(folder: Path, job: Job) -> Outcome | None:
    """Return how a job ended; None if it has not, or if the file can't be read, which is logged once."""
    path = _file(folder, job)
    try:
        return _parsed(read_file(path), str(path))
    except FileNotFoundError:
        return None
    except (OSError, DataError) as error:
        _log_once(str(error))
        return None


def _parsed(data: bytes, path: str) -> Outcome:
    complaint, remedy = f"{path} can't be read as how a job ended", "genkit bench does the job again"
    return parse_sealed(Outcome, data, complaint, SCHEMA, remedy)


@functools.cache
def _log_once(line: str) -> None:
    _LOG.warning("%s", line)


def outcomes(root: Path | str) -> list[Outcome]:
    """Return all outcomes of the board in a folder or URL, also of jobs that its file no longer lists.

    Files that can't be read are skipped; a folder of jobs that can't be read has no outcomes; both are logged.
    """
    try:
        files = open_location(root).files("jobs")
    except GenkitError as error:
        _LOG.warning("failed jobs are not shown: %s", error)
        return []
    found = []
    for name, content in sorted(files.items()):
        if not is_document(name):
            continue
        path = f"{root}/jobs/{name}"
        try:
            if isinstance(content, str):
                raise DataError(f"{path} can't be read: {content}")
            found.append(_parsed(content, path))
        except DataError as error:
            _log_once(str(error))
    return found


def failures(root: Path | str, records: Collection[Record]) -> tuple[Outcome, ...]:
    """Return the jobs in ``root`` that failed on the data of these records and have no record among them.

    A record belongs to a job if model, options, seed, data and budget are the same. The version may differ: a later
    one may have fixed the model.
    """
    datasets = {_dataset(record) for record in records}
    failed = [each for each in outcomes(root) if each.state == "failed" and each.job.dataset_sha256 in datasets]
    return tuple(each for each in failed if not any(_is_of(record, each.job) for record in records))


def _dataset(record: Record) -> Any:
    return record.protocol.get("data", {}).get("sha256")


def _is_of(record: Record, job: Job) -> bool:
    subject, training = record.subject, record.training
    if training is None:
        return False
    made = subject.name, subject.dist, current_names(subject.options), training.seed, _dataset(record)
    if made != (job.model, job.dist, current_names(job.options), job.seed, job.dataset_sha256):
        return False
    whole = training.finished and training.budget == f"{job.images:,} images"  # a closed-form model sees fewer images
    return whole or training.images >= job.images


def lock_file(folder: Path, job: Job) -> Path:
    """Return the file that the runner of a job keeps locked while it works."""
    return folder / f".{job.id}.lock"


def _file(folder: Path, job: Job) -> Path:
    return folder / f"{job.id}.json"
