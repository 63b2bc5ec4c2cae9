"""How far a run is: what its training wrote into status.json, and whether its process lives, as its lock says."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from genkit.errors import DataError
from genkit.files.integrity import sealed
from genkit.files.locks import Lock
from genkit.files.reading import read_file
from genkit.files.writing import write_atomic
from genkit.results.documents import parse_sealed

SCHEMA = 1

D = TypeVar("D")

ENDED = "its process was killed, or ended without saying so"
"""The reason of a run that was interrupted so that nothing could be written."""


@dataclass(frozen=True)
class Status:
    """How far a run is; ``state`` is "running", "interrupted", "failed" or "finished".

    A run is "running" while a process holds its lock, whatever status.json says, and at no other time.
    ``warning`` says what is wrong with the newest samples, if they show that training has collapsed or diverged.
    """

    state: str
    images: int = 0
    seconds: float = 0.0
    reason: str = ""
    warning: str = ""

    def write(self, folder: Path) -> None:
        """Replace a run's status.json atomically."""
        write_atomic(folder / "status.json", sealed(dataclasses.asdict(self)))


def read_status(folder: Path, lock: Lock) -> Status:
    """Return how far the run in a folder is; raises DataError if status.json can't be read."""
    try:
        remedy = "remove it, and genkit train --resume finds out how far the run is"
        written = read_document(Status, folder / "status.json", remedy)
    except FileNotFoundError:  # it has just been made
        written = Status("running")
    if written.state == "finished":
        return written
    if lock.held():
        return dataclasses.replace(written, state="running", reason="")
    if written.state == "running":
        return dataclasses.replace(written, state="interrupted", reason=ENDED)
    return written


def read_document(cls: type[D], path: Path, remedy: str) -> D:
    """Read run.json or status.json; raises DataError, or FileNotFoundError if there is none.

    ``remedy`` is what to do if it is not what was written.
    """
    complaint = f"{path} can't be read"
    try:
        text = read_file(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{complaint}: {error.strerror or error}") from error
    return parse_sealed(cls, text, complaint, SCHEMA, remedy)
