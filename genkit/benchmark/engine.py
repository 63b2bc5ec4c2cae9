"""Engines: what runs the jobs of a board. A plugin's hook ``genkit_engines`` yields an EngineSpec for each.

The target of a spec is called with an EngineRequest and returns an Engine, which submits callables and gives back
Futures. What is submitted is one job as ``genkit.benchmark.work.Work``, the same for all engines; it can be pickled,
returns a word, and may be done twice without harm.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from genkit.errors import GenkitError, MissingError, OptionsError, PluginError, suggestion
from genkit.files.guard import blamed
from genkit.registry.discovery import registry
from genkit.registry.specs import EngineSpec

Task = Callable[[], str]
"""One job: it takes no arguments and returns how it ended."""


INSTALLED_BY = {"slurm": "genkit-slurm", "ray": "genkit-ray"}
"""The packages of genkit that have engines."""


class Lost(GenkitError):
    """The process of a task ended without a result; the message says how, and where its log is."""


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class EngineRequest:
    """What an engine is made for: ``options`` are those of ``genkit bench -e``, with values as TOML reads them."""

    folder: Path
    """An absolute path, where the engine may keep its files and the logs of its tasks; it need not exist."""
    workers: int | None = None
    """How many tasks may run at a time; None if the engine decides."""
    options: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[], None] = nothing
    """To be called first in every process that runs tasks, by ``prepared``."""


class Future(Protocol):
    """A task that was submitted."""

    @property
    def log(self) -> Path | None:
        """The file of what the task prints; None if that goes to the terminal."""

    def done(self) -> bool:
        """Whether the task has ended, or will never begin."""

    def result(self) -> str:
        """Return what the task returned, once it is done; raises Lost if it did not return."""

    def cancel(self) -> None:
        """Stop the task as Ctrl-C would, or take it from the queue; does not wait."""


class Engine(abc.ABC):
    """Submits tasks."""

    limit: int | None = None
    """How many tasks it is given at a time; None if it has a queue."""
    lasting = False
    """Whether what it was given goes on when this process ends."""
    pause = 1.0
    """Seconds between two looks at its futures."""

    @abc.abstractmethod
    def submit(self, name: str, task: Task) -> Future:
        """Have a task done once; ``name`` is for its log. Raises GenkitError if nothing can be submitted."""

    def submit_all(self, tasks: Sequence[tuple[str, Task]]) -> Sequence[Future]:
        """Have several tasks done, each as by ``submit``; an engine may have a faster way."""
        return [self.submit(name, task) for name, task in tasks]

    def find(self, name: str) -> Future | None:
        """Return what an earlier process submitted under a name, if it waits or runs; None if not, or not known."""
        return None

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Stop what would end with this process anyway, wait for it, and let everything go."""


def make_engine(name: str, request: EngineRequest) -> Engine:
    """Return the engine of a name.

    Raises what ``find_engine`` does, OptionsError for its options, PluginError for an engine that is broken.
    """
    spec = find_engine(name)
    made = blamed(f"engine {name!r} can't be made", lambda: spec.load()(request))
    if not isinstance(made, Engine):
        raise PluginError(f"engine {name!r} is {made!r}, not a genkit.benchmark.engine.Engine: mend it in its plugin")
    return made


def find_engine(name: str) -> EngineSpec:
    """Return what offers an engine; raises UnknownName, MissingError for one of a plugin that is not installed."""
    if name in INSTALLED_BY and not any(offer.bare == name for offer in registry().offers(EngineSpec)):
        package = INSTALLED_BY[name]
        raise MissingError(f"engine {name} is not installed: pip install {package} (genkit plugins lists what is)")
    return registry().find(EngineSpec, name).spec


def refuse_options(name: str, given: Mapping[str, Any], known: Sequence[str] = ()) -> None:
    """Raise OptionsError for an option that an engine does not have."""
    wrong = [each for each in given if each not in known]
    if wrong:
        has = f"it has {', '.join(known)}" if known else "it has none"
        near = suggestion(wrong[0], known)
        raise OptionsError(f"engine {name} has no option {wrong[0]!r}{f'.{near}' if near else f': {has}'}")


@functools.cache
def prepared(prepare: Callable[[], None]) -> None:
    """Call ``prepare`` once in a process, however many tasks it runs."""
    prepare()
