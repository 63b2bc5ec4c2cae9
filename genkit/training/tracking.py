"""Trackers, such as TensorBoard: observers of single runs, off unless asked for. One that fails ends no training."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from genkit.errors import GenkitError, MissingError
from genkit.files.guard import guarded, sentence
from genkit.files.text import logger
from genkit.registry.discovery import registry
from genkit.registry.fence import LONG, fenced
from genkit.registry.specs import TrackerSpec
from genkit.results.records import Record
from genkit.training import distributed
from genkit.training.runs import Run

_LOG = logger(__name__)

FOLDER = "trackers"
"""In a run's folder: it has a folder for each tracker that follows the run, in later processes too."""

PLUGIN = "genkit-trackers[tensorboard,wandb,mlflow]"


class Tracker(Protocol):
    """What the target of a TrackerSpec returns. It is made when the first event or record comes."""

    def on_event(self, event: dict[str, Any]) -> None:
        """Take an event of the training, as the hook ``genkit_train_event`` does."""

    def on_record(self, record: Record) -> None:
        """Take a record of the run after it was stored."""

    def close(self) -> None:
        """Write all through: the process tells this tracker nothing more."""


def find_tracker(name: str) -> TrackerSpec:
    """Return a tracker that can be used here.

    Raises UnknownName for a name that no plugin offers, MissingError without any plugin or without its library.
    """
    if not registry().offers(TrackerSpec):
        raise MissingError(f"no tracker is installed, and so no {name}: pip install '{PLUGIN}'")
    spec = registry().find(TrackerSpec, name).spec
    if spec.package and not _installed(spec.package):
        raise MissingError(f"tracker {name} needs {spec.package}, which is not installed: pip install '{spec.install}'")
    return spec


def _installed(package: str) -> bool:
    """Whether a package is installed; a folder of its name, such as W&B leaves where it ran, is none."""
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    return found is not None and found.origin is not None


def asked_for(names: Iterable[str]) -> None:
    """Raise as ``find_tracker`` does unless all these trackers can be used."""
    for name in names:
        find_tracker(name)


def followed_by(run: Run) -> list[str]:
    """Return the names of the trackers that have followed a run, and go on with it."""
    return sorted(path.name for path in (run.path / FOLDER).glob("*/"))


class Trackers:
    """The trackers of a run: those that are asked for, and those that followed it before. Only process 0 has any.

    ``names`` are theirs, in every process. Raises as ``find_tracker`` does for one that is asked for; one that is not
    installed any more, though it followed the run, is only said to be missing.
    """

    def __init__(self, run: Run, asked: Iterable[str] = ()) -> None:
        asked_for(asked)
        self._run = run
        self.names = tuple(dict.fromkeys([*asked, *followed_by(run)]))
        self._specs: dict[str, TrackerSpec] = {}
        self._trackers: dict[str, Tracker] = {}
        for name in self.names if distributed.rank() == 0 else ():
            try:
                self._specs[name] = find_tracker(name)
            except GenkitError as error:
                _LOG.warning("run %s is no longer followed by %s: %s", run.path, name, error)

    def event(self, event: dict[str, Any]) -> None:
        """Tell all trackers of an event."""
        self._tell(lambda tracker: tracker.on_event(event))

    def record(self, record: Record) -> None:
        """Tell all trackers of a record."""
        self._tell(lambda tracker: tracker.on_record(record))

    def close(self) -> None:
        """Close all trackers that were told something."""
        for name, tracker in list(self._trackers.items()):
            self._guard(name, tracker.close)
        self._specs.clear()
        self._trackers.clear()

    def _tell(self, of: Callable[[Tracker], None]) -> None:
        for name, spec in list(self._specs.items()):
            self._guard(name, lambda name=name, spec=spec: of(self._opened(name, spec)))  # type: ignore[misc]

    def _opened(self, name: str, spec: TrackerSpec) -> Tracker:
        if name not in self._trackers:
            folder = Path(self._run.path, FOLDER, name)
            folder.mkdir(parents=True, exist_ok=True)
            self._trackers[name] = spec.load()(self._run, folder.absolute())
        return self._trackers[name]

    def _guard(self, name: str, work: Callable[[], None]) -> None:
        with guarded(functools.partial(self._switch_off, name)), fenced(f"tracker {name}", LONG):
            work()

    def _switch_off(self, name: str, error: BaseException) -> None:
        self._specs.pop(name, None)
        self._trackers.pop(name, None)
        _LOG.warning("tracker %s of run %s is switched off: %s", name, self._run.path, sentence(error))
