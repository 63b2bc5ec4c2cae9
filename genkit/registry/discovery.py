"""Discovery of plugins. Each entry point is loaded by itself: a broken one causes a warning and is skipped.

A bare name that genkit offers itself means genkit's own. What a plugin offers under it, or two plugins under one name,
is called ``dist:name`` everywhere, in columns and fingerprints too.

``GENKIT_PLUGINS=a,b`` is an allow-list of entry points or distributions; with ``GENKIT_STRICT_PLUGINS=1`` a broken
plugin is an error.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import time
import types
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Any, Generic, TypeVar, cast

import pluggy

from genkit.errors import AmbiguousName, GenkitWarning, PluginError, UnknownName, suggestion
from genkit.files.guard import guarded, sentence
from genkit.files.text import logger
from genkit.registry import builtins, hookspecs
from genkit.registry.fence import fenced
from genkit.registry.installed import GROUP, allowed, dist_of, installed, version_of
from genkit.registry.loaded import note
from genkit.registry.specs import (
    CommandSpec,
    DatasetSpec,
    EngineSpec,
    FeatureSpec,
    MetricSpec,
    ModelSpec,
    Spec,
    TextEncoderSpec,
    TrackerSpec,
)

_LOG = logger(__name__)

CORE = "genkit-toolkit"
_HOOKS: dict[str, type[Spec]] = {
    "genkit_models": ModelSpec,
    "genkit_datasets": DatasetSpec,
    "genkit_features": FeatureSpec,
    "genkit_text_encoders": TextEncoderSpec,
    "genkit_metrics": MetricSpec,
    "genkit_trackers": TrackerSpec,
    "genkit_engines": EngineSpec,
    "genkit_commands": CommandSpec,
}

_OBSERVED = {"genkit_train_event": "training", "genkit_record": "records"}
"""The hooks of observers, and what they observe."""

S = TypeVar("S", bound=Spec)
A = TypeVar("A", DatasetSpec, TextEncoderSpec)


@dataclass
class Plugin:
    """A plugin: its distribution, what it offers, or in ``error`` why it is broken."""

    name: str
    dist: str
    version: str
    specs: dict[type[Spec], list[Spec]] = field(default_factory=dict)
    error: str = ""
    observes: tuple[str, ...] = ()
    """What it observes: "training" and "records"."""
    seconds: float = 0.0
    """The time that its import and its hooks took."""

    def fenced(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Run its code; genkit's own needs no fence."""
        own = self.dist == CORE
        return contextlib.nullcontext() if own else fenced(f"the {what} of plugin {self.name!r} of {self.dist}")


@dataclass(frozen=True)
class Offer(Generic[S]):
    """A spec and the plugin that offers it."""

    spec: S
    plugin: Plugin

    @property
    def bare(self) -> str:
        """The name that the plugin gave it."""
        return self.spec.name.rpartition(":")[2]

    @property
    def qualified(self) -> str:
        """``dist:name``, unique even if two plugins offer the same name."""
        return f"{self.plugin.dist}:{self.bare}"


class Registry:
    """All installed plugins and what they offer."""

    def __init__(self, found: Iterable[EntryPoint]) -> None:
        self.manager = pluggy.PluginManager(GROUP)
        self.manager.add_hookspecs(hookspecs)
        self.plugins: list[Plugin] = []
        self._register(builtins, Plugin("builtins", CORE, version_of(CORE)))
        self._said: set[str] = set()
        for entry_point in allowed(list(found)):
            dist = dist_of(entry_point)
            plugin = Plugin(entry_point.name, dist, version_of(dist))
            if dist == CORE:
                self._broken(plugin, "its distribution has genkit's own name", PluginError())
            else:
                self._load(entry_point, plugin)
        self.tell_apart()

    def tell_apart(self) -> None:
        """Name ``dist:name`` what plugins offer under a name that genkit or another plugin offers too.

        Models keep their names: their runs and records name the distribution.
        """
        for kind in _HOOKS.values():
            count = Counter(offer.bare for offer in self.offers(kind))
            for plugin in self.plugins if kind is not ModelSpec else ():
                if plugin.dist != CORE:
                    specs = plugin.specs.get(kind, [])
                    specs[:] = [_renamed(each, plugin.dist) if count[each.name] > 1 else each for each in specs]

    def taken(self) -> dict[tuple[type[Spec], str], str]:
        """Return by kind and bare name of genkit's own a line that says which plugins offer another of that name."""
        lines = {}
        for kind in _HOOKS.values():
            offers = self.offers(kind)
            for own in [offer for offer in offers if offer.plugin.dist == CORE]:
                others = [offer.qualified for offer in offers if offer.bare == own.bare and offer is not own]
                if others:
                    lines[kind, own.bare] = (
                        f"{kind.kind} {own.bare!r} is genkit's own; a plugin's is {' and '.join(map(repr, others))}"
                    )
        return lines

    def _load(self, entry_point: EntryPoint, plugin: Plugin) -> None:
        began, modules = time.perf_counter(), []
        with (
            guarded(lambda error: self._broken(plugin, f"import failed: {sentence(error)}", error)),
            plugin.fenced("import"),
        ):
            modules.append(entry_point.load())
            note(entry_point.module.partition(".")[0])
        if not plugin.error:
            self._register(modules[0], plugin)
        plugin.seconds = time.perf_counter() - began

    def _register(self, module: Any, plugin: Plugin) -> None:
        """Register a plugin only if everything that it offers is valid."""

        def failed(error: BaseException) -> None:
            if self.manager.is_registered(module):
                self.manager.unregister(module)
            plugin.specs = {}
            self._broken(plugin, sentence(error), error)

        with guarded(failed):
            with plugin.fenced("hooks"):
                self._ask(module, plugin)
            self.plugins.append(plugin)

    def _ask(self, module: Any, plugin: Plugin) -> None:
        if not isinstance(module, types.ModuleType):
            raise PluginError(f"its entry point is {type(module).__name__} {module!r}, not a module with hooks")
        self.manager.register(module, f"{plugin.dist}:{module.__name__}")
        _verify_hooks(self.manager, module)
        plugin.specs = {kind: list(self._specs(module, hook, kind, plugin.dist)) for hook, kind in _HOOKS.items()}
        callers = {caller.name for caller in self.manager.get_hookcallers(module) or ()}
        plugin.observes = tuple(what for hook, what in _OBSERVED.items() if hook in callers)

    def _specs(self, module: Any, hook: str, kind: type[S], dist: str) -> Iterator[S]:
        others = [other for other in self.manager.get_plugins() if other is not module]
        caller = self.manager.subset_hook_caller(hook, others)
        names = {offer.spec.name for offer in self.offers(kind) if offer.plugin.dist == dist}
        for result in caller():
            for spec in result:
                if not isinstance(spec, kind):
                    raise PluginError(f"{hook} yields {type(spec).__name__} {spec!r}, not a {kind.__name__}")
                if spec.name in names:
                    raise PluginError(f"{hook} yields {spec.name!r}, which {dist} offers already")
                names.add(spec.name)
                yield spec

    def _broken(self, plugin: Plugin, cause: str, error: BaseException) -> None:
        plugin.error = cause
        self.plugins.append(plugin)
        line = f"plugin {plugin.name!r} of {plugin.dist} is left out: {plugin.error}"
        if os.environ.get("GENKIT_STRICT_PLUGINS") == "1":
            raise PluginError(line) from error
        warnings.warn(line, GenkitWarning, stacklevel=2)

    def offers(self, kind: type[S]) -> list[Offer[S]]:
        """Return all offers of a kind: genkit's own first, then plugin by plugin."""
        return [Offer(cast(S, spec), plugin) for plugin in self.plugins for spec in plugin.specs.get(kind, ())]

    def find(self, kind: type[S], name: str) -> Offer[S]:
        """Return the offer of a bare or qualified name, a metric's in any case; raises UnknownName or AmbiguousName.

        A bare name that genkit offers is genkit's own, which is said once where a plugin offers it too.
        """
        offers = self.offers(kind)
        if kind is MetricSpec:
            name = name.lower() if ":" not in name else name
        matches = [offer for offer in offers if name in (offer.bare, offer.qualified)]
        if len(matches) > 1 and matches[0].plugin.dist == CORE:
            line = self.taken()[kind, name]
            if line not in self._said:
                self._said.add(line)
                warnings.warn(line, GenkitWarning, stacklevel=2)
            return matches[0]
        if len(matches) > 1:
            choices = " or ".join(repr(offer.qualified) for offer in matches)
            raise AmbiguousName(f"{kind.kind} {name!r} is offered by {len(matches)} plugins: write {choices}")
        if not matches:
            names = [offer.spec.name for offer in offers]
            listing = f"there are: {', '.join(names)}" if names else "there is none"
            if kind in _LISTING:
                listing = f"genkit {_LISTING[kind]} lists {len(offers)}"
            raise UnknownName(kind.kind, name, names, f"  ({listing})")
        return matches[0]

    def dataset(self, reference: str) -> tuple[DatasetSpec, str]:
        """Split ``folder:PATH``, ``digits`` or ``dist:name[:argument]`` into the spec and its argument."""
        return self._with_argument(DatasetSpec, reference)

    def text_encoder(self, reference: str) -> tuple[TextEncoderSpec, str]:
        """Split ``bytes`` or ``transformers:PATH`` into the spec and its argument."""
        return self._with_argument(TextEncoderSpec, reference)

    def _with_argument(self, kind: type[A], reference: str) -> tuple[A, str]:
        offers = self.offers(kind)
        head, _, argument = reference.partition(":")
        own = any(offer.spec.name == head and offer.plugin.dist == CORE for offer in offers)
        if argument and not own and any(offer.plugin.dist == head for offer in offers):
            name, _, argument = argument.partition(":")
            head = f"{head}:{name}"
        spec = self.find(kind, head).spec
        if spec.argument and not argument:
            raise UnknownName(kind.kind, reference, [], f" {spec.name} needs an argument: {spec.name}:{spec.argument}")
        if argument and not spec.argument:
            raise UnknownName(kind.kind, reference, [], f" {spec.name} takes no argument")
        return spec, argument

    def observe(self, hook: str, **arguments: Any) -> None:
        """Tell the observers; one that fails is switched off, and that is logged."""
        for implementation in list(getattr(self.manager.hook, hook).get_hookimpls()):
            with (
                guarded(functools.partial(self._switch_off, implementation)),
                fenced(f"{hook} of observer {implementation.plugin_name}"),
            ):
                implementation.function(*(arguments[name] for name in implementation.argnames))

    def _switch_off(self, implementation: pluggy.HookImpl, error: BaseException) -> None:
        if self.manager.is_registered(implementation.plugin):
            self.manager.unregister(implementation.plugin)
        _LOG.warning("observer %s is switched off: %s", implementation.plugin_name, sentence(error))


_LISTING: dict[type[Spec], str] = {
    ModelSpec: "models",
    DatasetSpec: "datasets",
    FeatureSpec: "features",
    TextEncoderSpec: "plugins",
    MetricSpec: "metrics",
    CommandSpec: "--help",
}


def _renamed(spec: Spec, dist: str) -> Spec:
    """Return a copy of a spec that is called ``dist:name``; no plugin can give it a name with a colon itself."""
    other = copy.copy(spec)
    object.__setattr__(other, "name", f"{dist}:{spec.name}")
    return other


def _verify_hooks(manager: pluggy.PluginManager, module: Any) -> None:
    callers = manager.get_hookcallers(module) or []
    if not callers:
        raise PluginError("it implements no genkit hook")
    for caller in callers:
        if not caller.has_spec():
            known = [name for name in vars(hookspecs) if name.startswith("genkit_")]
            raise PluginError(f"it implements {caller.name!r}, which is not a hook.{suggestion(caller.name, known)}")


@functools.cache
def registry() -> Registry:
    """Return the registry of this process, created on first use."""
    return Registry(installed())
