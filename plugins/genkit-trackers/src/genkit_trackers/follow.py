"""What all trackers have in common: each mirrors the folder of its run, so that it holds the same after any kill."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from genkit.results import store
from genkit.results.log import COUNTERS, finite, read_log
from genkit.results.records import Record
from genkit.training.config import RunConfig
from genkit.training.runs import Run

PICTURES = "samples"
"""The name under which sample grids are sent."""

SPEED = "images_per_second"

PROJECT = "genkit"

Ending = Literal["end", "interrupted", "failed"]
ENDINGS = ("end", "interrupted", "failed")


class Follower(ABC):
    """Sends to one tracker what the run's folder holds and the tracker does not: log.jsonl, sample grids and scores.

    That is done when a run starts, at each checkpoint and at its end, and not at each log line: what is after the
    newest checkpoint is taken back if the run is killed. x is the number of training images everywhere.

    ``held`` has the newest x of each curve that the tracker holds, by the name in ``log.jsonl``. ``folder`` is the
    tracker's own.
    """

    rewinds = True
    """Whether a resumed run can take back what was sent. If not, what a failed run logged after its newest checkpoint
    is never sent, as a resumed run logs it again, with other times."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run, self.folder = run, folder
        self.held: dict[str, int] = {}
        self._open = False
        self._saved = 0
        self._ending: Ending | None = None

    @abstractmethod
    def begin(self, resumed: int | None) -> Mapping[str, int]:
        """Begin the tracker's run, or go on with it, and return the newest x of each curve that it holds.

        ``resumed`` is the number of images from which the training goes on, None if only a record is told.
        """

    @abstractmethod
    def values(self, images: int, values: Mapping[str, float]) -> None:
        """Send points of curves, all at ``images``."""

    @abstractmethod
    def picture(self, images: int, path: Path) -> None:
        """Send a sample grid, a PNG."""

    @abstractmethod
    def has_score(self, images: int, name: str, value: float) -> bool:
        """Whether the tracker held a score at ``images`` when it began; several may have been measured there."""

    @abstractmethod
    def flush(self) -> None:
        """Write all through."""

    @abstractmethod
    def finish(self, ending: Ending | None) -> None:
        """Close the tracker's run; None if no training ended, but a record was told."""

    def on_event(self, event: dict[str, Any]) -> None:
        """Send what is new at the start, at a checkpoint and at the end of a training."""
        kind, images = event["kind"], event["images"]
        if kind == "start":
            self._begin(images)
            self._missed()
        if kind in ("start", "checkpoint"):
            self._saved = images
        if self._open and kind in ("start", "checkpoint", *ENDINGS):
            self._follow(images if self.rewinds else self._saved)
        if kind in ENDINGS:
            self._ending = kind
        if self._open and kind == "end":
            self._picture(images, self.run.path / "samples.png")

    def on_record(self, record: Record) -> None:
        """Send the scores of a record, and of those before it that came while the tracker was missing.

        Those of options of drawing that are not the run's own are left out.
        """
        if record.training is None or not record.at_own_point:
            return
        if not self._open:
            self._begin(None)
            self._catch_up(record.training.images)
            self._missed(record)
        else:
            self.scores(record.training.images, scores_of(record))
        self.flush()

    def scores(self, images: int, scores: Mapping[str, float]) -> None:
        """Send scores; several evaluations may measure the same checkpoint, or an older one later."""
        self.values(images, scores)

    def close(self) -> None:
        """Close the tracker's run, if it was opened."""
        if self._open:
            self.finish(self._ending)

    def _begin(self, resumed: int | None) -> None:
        self.held = dict(self.begin(resumed))
        self._open = True

    def _catch_up(self, measured: int) -> None:
        """Send what the run's folder holds before a record is told of its checkpoint at ``measured`` images."""
        status = self.run.status
        if status.state == "running" and self.held:
            return  # the process that trains sends the rest itself
        safe = self.rewinds or status.state == "finished"
        self._follow(status.images if safe else measured)  # what is after it may be taken back by a resume
        if status.state == "finished":
            self._picture(status.images, self.run.path / "samples.png")

    def _missed(self, *told: Record) -> None:
        """Send the scores of the run's records, and of those told, that the tracker does not hold."""
        records = {record.id: record for record in (*records_of(self.run), *told)}
        for record in records.values():
            images = record.training.images if record.training else 0
            scores = scores_of(record)
            new = {name: value for name, value in scores.items() if not self.has_score(images, name, value)}
            if new:
                self.scores(images, new)

    def _follow(self, images: int) -> None:
        """Send the lines and grids up to a number of images that are not held yet."""
        for at, values in curves(self.run.path / "log.jsonl"):
            new = {name: value for name, value in values.items() if at > self.held.get(name, -1)}
            if at <= images and new:
                self.values(at, new)
                self.held.update(dict.fromkeys(new, at))
        for path in sorted((self.run.path / "samples").glob("*.png")):
            if path.stem.isdecimal() and int(path.stem) <= images:
                self._picture(int(path.stem), path)
        self.flush()

    def _picture(self, images: int, path: Path) -> None:
        if images > self.held.get(PICTURES, -1) and path.is_file():
            self.picture(images, path)
            self.held[PICTURES] = images
            self.flush()


def records_of(run: Run) -> list[Record]:
    """Return the records of a run, oldest first: its own, and those of the board whose job it is."""
    folders = [folder / "records" for folder in (run.path, run.store.parent)]
    found = [record for folder in folders if folder.is_dir() for record in store.read(folder).records]
    return [record for record in found if record.training and record.training.run == run.id]


def scores_of(record: Record) -> dict[str, float]:
    """Return the scores of a record by the names of their curves; none of options of drawing that are not the run's."""
    if record.training is None or not record.at_own_point:
        return {}
    group = "scores" if record.training.weights == "ema" else "scores_raw"
    return {f"{group}/{score.name}": score.value for score in record.scores}


def curves(log: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield images and values of each line of log.jsonl, and the training images per second since the line before."""
    images, seconds = 0, 0.0
    for line in read_log(log):
        values = {name: line[name] for name in line if name not in COUNTERS and finite(line[name]) is not None}
        now = finite(line.get("seconds"))
        if now is not None and now > seconds:
            values[SPEED] = (line["images"] - images) / (now - seconds)
        images, seconds = line["images"], now or seconds
        yield images, values


def names(run: Run) -> set[str]:
    """Return the names of all that a run has logged, and that of its pictures."""
    return {PICTURES, *(name for _, values in curves(run.path / "log.jsonl") for name in values)}


def unique(run: Run) -> str:
    """Return a name of a run that no other run has: its id, often of four digits, and a part of run.json's hash."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", run.id)[:64]
    return f"{plain}-{hashlib.sha256((run.path / 'run.json').read_bytes()).hexdigest()[:8]}"


def title(run: Run) -> str:
    """Return how a run is called in listings."""
    return f"{run.config.model} {run.id}"


def hyperparameters(config: RunConfig) -> dict[str, bool | int | float | str]:
    """Return how a run is made as one flat table: budget, data and batch, and the options of model and drawing."""
    table: dict[str, Any] = {
        "model": config.model,
        "dataset": config.dataset_slug,
        "images": config.images,
        "minutes": config.minutes,
        "batch": config.batch,
        "processes": config.processes,
        "seed": config.seed,
        "precision": config.precision,
        "device": config.device,
        **{f"options.{name}": value for name, value in config.options.items()},
        **{f"sampling.{name}": value for name, value in config.sampling.items()},
    }
    plain = (bool, int, float, str)
    return {
        name: value if isinstance(value, plain) else str(value) for name, value in table.items() if value is not None
    }
