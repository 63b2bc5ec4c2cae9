"""Outcomes: how the jobs of a board ended. A job is one model, trained from one seed and measured."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genkit.documents import parse
from genkit.errors import DataError
from genkit.paths import write_atomic
from genkit.protocol import fingerprint

SCHEMA = 1


@dataclass(frozen=True)
class Job:
    """What is trained, and in ``asked`` how it is measured: all that moves its record."""

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
        """Twelve digits of the inputs' hash."""
        return fingerprint(dataclasses.asdict(self))


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
        """Write the outcome; whoever looks sees all of it or nothing."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(_file(folder, self.job), json.dumps(dataclasses.asdict(self), indent=1).encode())


def outcome(folder: Path, job: Job) -> Outcome | None:
    """Return how a job ended, or None; one that can't be read is as good as none."""
    try:
        return parse(Outcome, _file(folder, job).read_bytes(), str(_file(folder, job)), SCHEMA)
    except (OSError, DataError):
        return None


def outcomes(folder: Path) -> list[Outcome]:
    """Return all outcomes in a folder, also of jobs that the plan no longer has."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(parse(Outcome, path.read_bytes(), str(path), SCHEMA))
        except DataError:
            continue
    return found


def failures(root: Path | str, datasets: Container[Any]) -> tuple[Outcome, ...]:
    """Return the jobs of the board in ``root`` that failed, on data sets of these hashes."""
    found = outcomes(Path(root, "jobs"))
    return tuple(each for each in found if each.state == "failed" and each.job.dataset_sha256 in datasets)


def lock_file(folder: Path, job: Job) -> Path:
    """Return the file whose lock the runner of a job holds while it works."""
    return folder / f".{job.id}.lock"


def _file(folder: Path, job: Job) -> Path:
    return folder / f"{job.id}.json"
