"""Discovery, hooks and built-ins: a broken plugin is one warning, names are unambiguous, observers stop no run.

Tests discovery, installed, hookspecs and builtins of genkit.registry.
"""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any

import pytest
from installed import dist_info

from genkit.errors import AmbiguousName, GenkitWarning, Interrupted, PluginError, UnknownName
from genkit.plugin import hookimpl
from genkit.registry import specs
from genkit.registry.discovery import Plugin, Registry
from genkit.registry.specs import (
    CommandSpec,
    DatasetSpec,
    EngineSpec,
    FeatureSpec,
    MetricSpec,
    ModelSpec,
    TextEncoderSpec,
)

HEADER = "from genkit.plugin import *\n"
ONE_MODEL = HEADER + "@hookimpl\ndef genkit_models():\n    yield ModelSpec({name!r}, 'no.such:Model')\n"


class Dist(Distribution):
    """A distribution with nothing but a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def metadata(self) -> Any:
        return {"Name": self._name}

    @property
    def name(self) -> str:
        return self._name

    def read_text(self, filename: str) -> str | None:
        return None

    def locate_file(self, path: Any) -> Any:
        raise NotImplementedError


Make = Callable[..., EntryPoint]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENKIT_PLUGINS", raising=False)
    monkeypatch.delenv("GENKIT_STRICT_PLUGINS", raising=False)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Write a plugin's module and return an entry point that names it."""
    monkeypatch.syspath_prepend(tmp_path)
    written: list[str] = []

    def entry_point(dist: str, text: str, attribute: str = "") -> EntryPoint:
        module = f"plugin_of_{dist.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(text)
        written.append(module)
        return EntryPoint(dist, module + (f":{attribute}" if attribute else ""), "genkit")._for(Dist(dist))  # type: ignore[attr-defined]

    yield entry_point
    for module in written:
        sys.modules.pop(module, None)


def model(name: str) -> str:
    return ONE_MODEL.format(name=name)


def broken(found: Registry) -> Plugin:
    (plugin,) = [plugin for plugin in found.plugins if plugin.error]
    return plugin


def test_core_is_registered_through_its_own_hooks() -> None:
    found = Registry([])
    assert [plugin.name for plugin in found.plugins] == ["builtins"]
    for kind in (ModelSpec, DatasetSpec, FeatureSpec, MetricSpec, EngineSpec, CommandSpec, TextEncoderSpec):
        assert found.offers(kind), kind


def test_a_plugin_is_found_and_its_target_stays_unimported(make: Make) -> None:
    offer = Registry([make("zoo", model("bear"))]).find(ModelSpec, "bear")
    assert offer.qualified == "zoo:bear"
    assert "no.such" not in sys.modules
    with pytest.raises(PluginError, match=r"model 'bear' can't be loaded from no.such:Model: ModuleNotFoundError"):
        offer.spec.load()


# --- broken plugins ---


BROKEN = {
    "a failing import": ("import no_such_module", "", "import failed: ModuleNotFoundError: No module named"),
    "a syntax error": ("def", "", "import failed: SyntaxError"),
    "an exit at import": ("raise SystemExit(3)", "", "import failed: SystemExit: 3"),
    "a missing attribute": ("", "nothing", "import failed: AttributeError"),
    "an integer": ("value = 3", "value", "its entry point is int 3, not a module with hooks"),
    "a module without hooks": ("value = 3", "", "it implements no genkit hook"),
    "a misspelled hook": (
        HEADER + "@hookimpl\ndef genkit_model(): return ()",
        "",
        "it implements 'genkit_model', which is not a hook. Did you mean 'genkit_models'?",
    ),
    "an argument that no hook has": (
        HEADER + "@hookimpl\ndef genkit_models(colour): return ()",
        "",
        "colour",
    ),
    "an unknown field": (
        HEADER + "@hookimpl\ndef genkit_models():\n    yield ModelSpec('a', 'b:c', colour='red')",
        "",
        "unexpected keyword argument 'colour'",
    ),
    "a bad name": (
        HEADER + "@hookimpl\ndef genkit_models():\n    yield ModelSpec('A b', 'b:c')",
        "",
        "model name 'A b'",
    ),
    "a number for a name": (
        HEADER + "@hookimpl\ndef genkit_models():\n    yield ModelSpec(3, 'b:c')",
        "",
        "model name 3",
    ),
    "a bad target": (
        HEADER + "@hookimpl\ndef genkit_models():\n    yield ModelSpec('a', 'b.c')",
        "",
        "not 'module:attribute'",
    ),
    "another kind of spec": (
        HEADER + "@hookimpl\ndef genkit_models():\n    yield DatasetSpec('a', 'b:c')",
        "",
        "genkit_models yields DatasetSpec",
    ),
    "a text for a spec": (
        HEADER + "@hookimpl\ndef genkit_models():\n    yield 'gan'",
        "",
        "yields str 'gan', not a ModelSpec",
    ),
    "a single spec, not yielded": (
        HEADER + "@hookimpl\ndef genkit_models():\n    return ModelSpec('a', 'b:c')",
        "",
        "not iterable",
    ),
    "one name twice": (
        HEADER + "@hookimpl\ndef genkit_models():\n    yield ModelSpec('a', 'b:c')\n    yield ModelSpec('a', 'd:e')",
        "",
        "genkit_models yields 'a', which bad offers already",
    ),
    "a family that is no text": (
        HEADER + "@hookimpl\ndef genkit_models():\n    yield ModelSpec('a', 'b:c', family=None)",
        "",
        "model 'a' has family None, which is not a str",
    ),
    "an exit in a hook": (
        HEADER + "@hookimpl\ndef genkit_models():\n    raise SystemExit(0)\n    yield",
        "",
        "SystemExit: 0",
    ),
    "a hook that raises": (
        HEADER + "@hookimpl\ndef genkit_models():\n    raise KeyError('x')\n    yield",
        "",
        "KeyError: 'x'",
    ),
}


@pytest.mark.parametrize(("text", "attribute", "cause"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_plugin_costs_one_warning_and_nothing_else(make: Make, text: str, attribute: str, cause: str) -> None:
    with pytest.warns(GenkitWarning) as warned:
        found = Registry([make("bad", text, attribute), make("good", model("bear"))])
    (line,) = [str(warning.message) for warning in warned]
    assert line.startswith("plugin 'bad' of bad is left out: ")
    assert cause in line
    assert "\n" not in line
    assert cause in broken(found).error
    assert found.find(ModelSpec, "bear").plugin.dist == "good"
    assert found.find(ModelSpec, "noise").plugin.dist == "genkit-toolkit"


def test_a_plugin_with_one_bad_spec_offers_nothing(make: Make) -> None:
    text = model("bear") + "\n@hookimpl\ndef genkit_metrics():\n    yield 3\n"
    with pytest.warns(GenkitWarning, match="half"):
        found = Registry([make("half", text)])
    assert broken(found).specs == {}
    with pytest.raises(UnknownName):
        found.find(ModelSpec, "bear")


@pytest.mark.parametrize(("text", "attribute", "cause"), [BROKEN["a failing import"], BROKEN["a misspelled hook"]])
def test_strict_plugins_raise(
    make: Make, monkeypatch: pytest.MonkeyPatch, text: str, attribute: str, cause: str
) -> None:
    monkeypatch.setenv("GENKIT_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError) as raised:
        Registry([make("bad", text, attribute)])
    assert cause in str(raised.value)
    assert raised.value.exit_code == 4


def test_one_spec_class_per_hook() -> None:
    kinds = {kind for kind in vars(specs).values() if isinstance(kind, type) and issubclass(kind, specs.Spec)}
    assert set(Registry([]).plugins[0].specs) == kinds - {specs.Spec}


class Gutted(Dist):
    """A distribution whose METADATA is gone, as importlib.metadata tells it."""

    @property
    def name(self) -> Any:
        return None


def test_a_package_without_metadata_goes_by_its_entry_point(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENKIT_PLUGINS", "zoo,farm")
    gutted = EntryPoint("zoo", make("zoo", model("bear")).value, "genkit")._for(Gutted("zoo"))  # type: ignore[attr-defined]
    found = Registry([gutted, make("farm", model("cow"))])
    assert found.find(ModelSpec, "bear").qualified == "zoo:bear"
    assert [plugin.dist for plugin in found.plugins] == ["genkit-toolkit", "farm", "zoo"]


# --- the allow-list ---


def test_the_allow_list_goes_by_distribution_and_leaves_the_rest_unimported(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENKIT_PLUGINS", "zoo, ")
    found = Registry([make("zoo", model("bear")), make("bad", "raise ValueError")])
    assert [plugin.name for plugin in found.plugins] == ["builtins", "zoo"]


def test_the_allow_list_goes_by_entry_point_too(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENKIT_PLUGINS", "bears")
    named = make("zoo", model("bear"))
    found = Registry([EntryPoint("bears", named.value, "genkit")._for(Dist("zoo")), make("other", model("fox"))])  # type: ignore[attr-defined]
    assert [plugin.name for plugin in found.plugins] == ["builtins", "bears"]


def test_an_empty_allow_list_leaves_core_alone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENKIT_PLUGINS", "")
    assert [plugin.name for plugin in Registry([make("zoo", model("bear"))]).plugins] == ["builtins"]


def test_naming_a_missing_plugin_is_an_error_with_a_suggestion(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENKIT_PLUGINS", "zooo")
    with pytest.raises(UnknownName, match=r"no plugin named 'zooo'. Did you mean 'zoo'\?.*GENKIT_PLUGINS"):
        Registry([make("zoo", model("bear"))])


# --- names ---


def test_two_plugins_with_one_model_name_both_stay_under_their_qualified_names(make: Make) -> None:
    found = Registry([make("zoo", model("bear")), make("farm", model("bear"))])
    with pytest.raises(AmbiguousName) as raised:
        found.find(ModelSpec, "bear")
    assert str(raised.value) == "model 'bear' is offered by 2 plugins: write 'farm:bear' or 'zoo:bear'"
    assert found.find(ModelSpec, "zoo:bear").plugin.dist == "zoo"
    assert found.find(ModelSpec, "farm:bear").plugin.dist == "farm"


CORES = (
    HEADER
    + """
@hookimpl
def genkit_models():
    yield ModelSpec('noise', 'a:b')
@hookimpl
def genkit_datasets():
    yield DatasetSpec('digits', 'a:b')
@hookimpl
def genkit_features():
    yield FeatureSpec('pixels', 'a:b')
@hookimpl
def genkit_metrics():
    yield MetricSpec('fid', 'a:b')
@hookimpl
def genkit_commands():
    yield CommandSpec('eval', 'a:b')
"""
)
"""A plugin that offers names of genkit's own."""


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ModelSpec, "noise"),
        (DatasetSpec, "digits"),
        (FeatureSpec, "pixels"),
        (MetricSpec, "fid"),
        (CommandSpec, "eval"),
    ],
)
def test_a_name_of_genkits_own_stays_its_own_and_that_a_plugin_has_it_too_is_said_once(
    make: Make, kind: Any, name: str
) -> None:
    found = Registry([make("zoo", CORES)])
    with pytest.warns(GenkitWarning) as warned:
        assert {found.find(kind, name).plugin.dist for _ in range(3)} == {"genkit-toolkit"}
    (line,) = [str(warning.message) for warning in warned]
    assert line == f"{kind.kind} {name!r} is genkit's own; a plugin's is 'zoo:{name}'"
    assert found.taken()[kind, name] == line
    assert len(found.taken()) == 5
    other = found.find(kind, f"zoo:{name}")
    assert other.plugin.dist == "zoo"
    assert other.qualified == f"zoo:{name}"
    assert other.spec.name == (name if kind is ModelSpec else f"zoo:{name}")  # runs hold a model's distribution
    if kind is DatasetSpec:
        assert found.dataset("digits")[0].target == "genkit.data.digits:digits"
        assert found.dataset("zoo:digits")[0] is other.spec


def test_a_distribution_that_is_called_like_a_data_set_of_genkits_own_takes_no_references(make: Make) -> None:
    text = HEADER + "@hookimpl\ndef genkit_datasets():\n    yield DatasetSpec('bear', 'a:b')\n"
    spec, argument = Registry([make("folder", text)]).dataset("folder:photos")
    assert (spec.name, argument) == ("folder", "photos")


def test_a_metric_that_two_plugins_offer_has_the_distribution_in_its_name(make: Make) -> None:
    text = HEADER + "@hookimpl\ndef genkit_metrics():\n    yield MetricSpec('growl', 'a:b')\n"
    found = Registry([make("zoo", text), make("farm", text)])
    foreign = [offer.spec.name for offer in found.offers(MetricSpec) if offer.plugin.dist != "genkit-toolkit"]
    assert foreign == ["farm:growl", "zoo:growl"]
    with pytest.raises(AmbiguousName, match="'farm:growl' or 'zoo:growl'"):
        found.find(MetricSpec, "growl")


def test_a_second_plugin_of_a_distribution_offers_no_name_of_the_first(make: Make) -> None:
    first, second = make("zoo", model("bear")), make("zoo-2", model("bear"))
    second = EntryPoint("other", second.value, "genkit")._for(Dist("zoo"))  # type: ignore[attr-defined]
    with pytest.warns(GenkitWarning, match="yields 'bear', which zoo offers already"):
        found = Registry([first, second])
    assert len([offer for offer in found.offers(ModelSpec) if offer.plugin.dist == "zoo"]) == 1


def test_a_distribution_with_genkits_own_name_is_left_out(make: Make) -> None:
    with pytest.warns(GenkitWarning, match="its distribution has genkit's own name"):
        found = Registry([make("genkit-toolkit", model("bear"))])
    assert [plugin.error for plugin in found.plugins] == ["", "its distribution has genkit's own name"]


def test_an_unknown_name_suggests_and_says_where_the_list_is(make: Make) -> None:
    with pytest.raises(UnknownName, match=r"no model named 'baer'. Did you mean 'bear'\?  \(genkit models lists 4\)"):
        Registry([make("zoo", model("bear"))]).find(ModelSpec, "baer")


def test_the_order_of_installation_does_not_move_the_list(make: Make) -> None:
    one, two = make("zoo", model("bear")), make("farm", model("cow"))
    names = [[offer.qualified for offer in Registry(order).offers(ModelSpec)] for order in ([one, two], [two, one])]
    assert names[0] == names[1]


def test_an_engine_of_a_plugin_is_found_and_an_unknown_one_is_looked_up_among_the_plugins(make: Make) -> None:
    text = HEADER + "@hookimpl\ndef genkit_engines():\n    yield EngineSpec('grid', 'no.such:engine')\n"
    found = Registry([make("a-grid", text)])
    assert found.find(EngineSpec, "grid").qualified == "a-grid:grid"
    assert found.find(EngineSpec, "local").plugin.dist == "genkit-toolkit"
    with pytest.raises(UnknownName, match=r"no engine named 'grod'.*'grid'.*there are: local, grid"):
        found.find(EngineSpec, "grod")


def test_a_data_set_with_an_argument_is_split_at_its_name(make: Make) -> None:
    text = HEADER + "@hookimpl\ndef genkit_datasets():\n    yield DatasetSpec('cage', 'a:b', argument='PATH')\n"
    found = Registry([make("zoo", text)])
    assert found.dataset("cage:a:b")[1] == "a:b"
    assert found.dataset("zoo:cage:C:/x")[1] == "C:/x"
    assert found.dataset("digits")[0].name == "digits"
    for wrong in ("cage", "cage:", "digits:3", "zoo:digits"):
        with pytest.raises(UnknownName):
            found.dataset(wrong)


# --- observers ---


class Observed(types.ModuleType):
    """A plugin that observes training."""

    def __init__(self, name: str, fails: BaseException | None) -> None:
        super().__init__(name)
        self.seen: list[Any] = []

        @hookimpl
        def genkit_train_event(event: dict[str, Any]) -> None:
            self.seen.append(event)
            if fails is not None:
                raise fails

        self.genkit_train_event = genkit_train_event


@pytest.mark.parametrize("failure", [RuntimeError("disk\nfull"), SystemExit("disk full"), Interrupted("disk full")])
def test_an_observer_that_fails_is_switched_off_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: BaseException
) -> None:
    modules = {name: Observed(name, fails) for name, fails in (("bad_observer", failure), ("good_observer", None))}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    found = Registry([EntryPoint(name, name, "genkit")._for(Dist(name)) for name in modules])  # type: ignore[attr-defined]
    assert [plugin.observes for plugin in found.plugins[1:]] == [("training",), ("training",)]
    for kind in ("start", "end"):
        found.observe("genkit_train_event", event={"kind": kind})
    assert len(modules["bad_observer"].seen) == 1
    assert len(modules["good_observer"].seen) == 2
    (line,) = caplog.messages
    assert "observer bad_observer" in line
    assert f"is switched off: {type(failure).__name__}: disk full" in line


# --- end to end ---


def test_an_installed_plugin_and_a_broken_one_in_a_process_of_their_own(tmp_path: Path) -> None:
    for name, text in (("stranger", model("bear")), ("wreck", "import no_such_module")):
        (tmp_path / f"{name}.py").write_text(text)
        dist_info(tmp_path, name, {name: name}, "2.5")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from genkit.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "plugins"], capture_output=True, text=True, check=True)
    assert "stranger 2.5" in done.stdout
    assert "broken: import failed: ModuleNotFoundError: No module named 'no_such_module'" in done.stdout
    assert [line for line in done.stderr.splitlines() if "wreck" in line] == done.stderr.splitlines()
