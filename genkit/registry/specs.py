"""Specs: what a plugin offers, by name, ``module:attribute`` target and summary.

A spec imports nothing; its target is imported on first use.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NoReturn, get_args

from genkit.errors import PluginError
from genkit.files.guard import guarded, sentence
from genkit.registry.fence import fence_of
from genkit.registry.loaded import note
from genkit.registry.parameters import Parameter, schema_of
from genkit.results.score import Direction

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_TYPE_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int),
    "bool": lambda value: isinstance(value, bool),
    "tuple[str, ...]": lambda value: isinstance(value, tuple) and all(isinstance(each, str) for each in value),
    "Mapping[str, Any]": lambda value: isinstance(value, Mapping) and all(isinstance(each, str) for each in value),
    "Direction": lambda value: value in get_args(Direction),
}
"""Type checks of fields, by annotation. They are simple because they run at every start of genkit."""


class Spec:
    """Base of all specs; validates names, types and the target."""

    kind: ClassVar[str]
    name: str
    target: str
    summary: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise PluginError(f"{self.kind} name {self.name!r}: use only lower-case letters, digits, '.', '_' and '-'")
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            if not _TYPE_CHECKS[str(each.type)](value):
                raise PluginError(f"{self.kind} {self.name!r} has {each.name} {value!r}, which is not a {each.type}")
        if not _TARGET.fullmatch(self.target):
            raise PluginError(f"{self.kind} {self.name!r} has target {self.target!r}, which is not 'module:attribute'")

    def load(self) -> Any:
        """Import and return the target; raises PluginError, with the cause, if that fails."""
        module, _, path = self.target.partition(":")

        def failed(error: BaseException) -> NoReturn:
            raise PluginError(
                f"{self.kind} {self.name!r} can't be loaded from {self.target}: {sentence(error)}"
            ) from error

        with guarded(failed), fence_of(module, f"the import of {self.kind} {self.name!r}"):
            found: Any = importlib.import_module(module)
            for attribute in path.split("."):
                found = getattr(found, attribute)
            if not module.startswith("genkit."):
                note(module.partition(".")[0])
            return found


@dataclass(frozen=True)
class ModelSpec(Spec):
    """A generative model; ``target`` is a GenerativeModel class.

    ``family`` ("gan", "vae", "baseline") groups models in listings and changes nothing else. ``published`` gives
    numbers from papers to compare with, each with data set, metric and source. ``license`` is that of the code, by
    default its package's; ``intended_use`` and ``limits`` stand on model cards, which say what holds of every model if
    they are empty.
    """

    kind: ClassVar[str] = "model"
    name: str
    target: str
    family: str = "other"
    summary: str = ""
    paper: str = ""
    published: str = ""
    license: str = ""
    intended_use: str = ""
    limits: str = ""


@dataclass(frozen=True)
class DatasetSpec(Spec):
    """A data set; ``target`` is a function ``(request: DatasetRequest) -> Source``.

    ``argument`` names what follows the colon, as in ``folder:PATH``; empty if there is none. An argument named PATH is
    passed to the target as an absolute path.
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

    ``needs`` lists what the metric requires: "features" and "logits" of an extractor, "labels" of the samples, "images"
    (the samples themselves, kept on disk), "model", "training" (a trained model), and the model's methods
    "reconstruct", "log_likelihood", "kl", "posterior", "encode", "decode", "draw_latent". Any other name is a method of
    the model that this metric alone asks for. ``depends_on`` lists the groups of protocol choices that change the
    number: "data", "samples", "features", "likelihood", "prompts", "hardware". ``parameters`` are the metric's own, by
    name: a ``Parameter`` or a plain default, whose type is then all that is checked; a protocol and the user may change
    them.
    ``also_at_test_size``: biased in the number of samples, so also measured at the size of the test split. ``group`` is
    its heading in listings.
    """

    kind: ClassVar[str] = "metric"
    name: str
    target: str
    direction: Direction = "lower"
    needs: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    also_at_test_size: bool = False
    group: str = "other"
    unit: str = ""
    version: int = 1
    summary: str = ""
    paper: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        schema_of(self.parameters, self.name)

    @property
    def schema(self) -> dict[str, Parameter]:
        """What each parameter may be."""
        return schema_of(self.parameters, self.name)

    @property
    def defaults(self) -> dict[str, Any]:
        """The default of each parameter."""
        return {key: parameter.default for key, parameter in self.schema.items()}


@dataclass(frozen=True)
class TextEncoderSpec(Spec):
    """A text encoder; ``target`` is a function ``(request: TextRequest) -> TextEncoder``.

    ``argument`` names what follows the colon, as in ``transformers:PATH``; empty if there is none. One named PATH is
    passed as an absolute path.
    """

    kind: ClassVar[str] = "text encoder"
    name: str
    target: str
    argument: str = ""
    summary: str = ""


@dataclass(frozen=True)
class TrackerSpec(Spec):
    """A tracker, such as TensorBoard, to which a run's curves are sent if it asks for that.

    ``target`` is a function ``(run: Run, folder: Path) -> Tracker``, with the folder where the tracker keeps its own
    files, and a genkit.training.tracking.Tracker. ``package`` is the module of a library that it needs, ``install``
    what pip installs it by; both are empty if it needs none.
    """

    kind: ClassVar[str] = "tracker"
    name: str
    target: str
    package: str = ""
    install: str = ""
    summary: str = ""


@dataclass(frozen=True)
class EngineSpec(Spec):
    """What runs a board's jobs; ``target`` is a function ``(request: EngineRequest) -> Engine``.

    ``lasting`` is False if the jobs of every such engine end with the command: --detach is then refused before one is
    made. ``Engine.lasting`` says it of one that is made.
    """

    kind: ClassVar[str] = "engine"
    name: str
    target: str
    summary: str = ""
    lasting: bool = True


@dataclass(frozen=True)
class CommandSpec(Spec):
    """A command of ``genkit``; ``target`` is a click command."""

    kind: ClassVar[str] = "command"
    name: str
    target: str
    summary: str = ""
    group: str = "Commands"
