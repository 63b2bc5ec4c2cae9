"""What a plugin offers, as plain records: a name, a lazy ``module:attribute`` target, a summary and facts.

A spec imports nothing. Its target becomes real only when the thing is used.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, get_args

from genkit.errors import PluginError
from genkit.results.score import Direction

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_SOUND: Mapping[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int),
    "bool": lambda value: isinstance(value, bool),
    "tuple[str, ...]": lambda value: isinstance(value, tuple) and all(isinstance(each, str) for each in value),
    "Mapping[str, Any]": lambda value: isinstance(value, Mapping) and all(isinstance(each, str) for each in value),
    "Direction": lambda value: value in get_args(Direction),
}
"""Whether a value is of a field's type, by the annotation: plain checks, as every start of genkit makes them."""


class Spec:
    """What every spec checks about itself."""

    kind: ClassVar[str]
    name: str
    target: str
    summary: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise PluginError(f"{self.kind} name {self.name!r} is not of lower-case letters, digits, '.', '_' and '-'")
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            if not _SOUND[str(each.type)](value):
                raise PluginError(f"{self.kind} {self.name!r} has {each.name} {value!r}, which is no {each.type}")
        if not _TARGET.fullmatch(self.target):
            raise PluginError(f"{self.kind} {self.name!r} has target {self.target!r}, which is not 'module:attribute'")

    def load(self) -> Any:
        """Import the target; raises PluginError, with the cause, when that fails."""
        module, _, path = self.target.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for attribute in path.split("."):
                found = getattr(found, attribute)
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"{self.kind} {self.name!r} can't be loaded from {self.target}: {type(error).__name__}: {error}"
            ) from error
        return found


@dataclass(frozen=True)
class ModelSpec(Spec):
    """A generative model; ``target`` is a GenerativeModel class.

    ``family`` groups models in listings ("gan", "vae", "baseline"); the harness never asks for it. ``published`` has
    numbers of others to stand beside, each with its data, metric and source.
    """

    kind: ClassVar[str] = "model"
    name: str
    target: str
    family: str = "other"
    summary: str = ""
    paper: str = ""
    published: str = ""


@dataclass(frozen=True)
class DatasetSpec(Spec):
    """A data set; ``target`` is a function ``(request: DatasetRequest) -> Source``.

    ``argument`` names what follows the colon in ``folder:PATH``; it is empty for a data set without one. One named
    PATH is a path, which the target is given absolute.
    """

    kind: ClassVar[str] = "dataset"
    name: str
    target: str
    argument: str = ""
    summary: str = ""
    license: str = ""


@dataclass(frozen=True)
class FeatureSpec(Spec):
    """A feature extractor; ``target`` is a function ``(request: FeatureRequest) -> Extractor``."""

    kind: ClassVar[str] = "extractor"
    name: str
    target: str
    dim: int = 0
    summary: str = ""
    for_dataset: str = ""


@dataclass(frozen=True)
class MetricSpec(Spec):
    """A metric; ``target`` is a function ``(evidence) -> Score``.

    ``needs`` names what must be there: "features" and "logits" of an extractor, "labels" of the samples, "images" (the
    samples themselves, kept on disk), "model", and a model's "reconstruct", "log_likelihood", "kl", "posterior",
    "decode", "draw_latent".
    ``moved_by`` names the groups of protocol choices that move the number: "data", "samples", "features", "likelihood",
    "hardware". ``parameters`` are the metric's own, with their defaults: a protocol preset may change them.
    ``matched``: biased in the number of samples, so it is also measured at the size of the test split.
    ``group`` is where listings show it.
    """

    kind: ClassVar[str] = "metric"
    name: str
    target: str
    direction: Direction = "lower"
    needs: tuple[str, ...] = ()
    moved_by: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    matched: bool = False
    group: str = "other"
    unit: str = ""
    version: int = 1
    summary: str = ""
    paper: str = ""


@dataclass(frozen=True)
class CommandSpec(Spec):
    """A command of ``genkit``; ``target`` is a click command."""

    kind: ClassVar[str] = "command"
    name: str
    target: str
    summary: str = ""
    group: str = "Commands"
