"""Checks of a model's plugin: light hooks, a valid spec, valid options and presets."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Any

from genkit.conformance.report import CheckFailed, CheckSkipped, require
from genkit.conformance.under_test import ModelUnderTest
from genkit.errors import OptionsError
from genkit.models.base import GenerativeModel, Preset
from genkit.options import build, to_json
from genkit.registry.discovery import Offer, registry
from genkit.registry.specs import ModelSpec

HEAVY = (
    "torch",
    "numpy",
    "scipy",
    "sklearn",
    "torchvision",
    "torchmetrics",
    "torch_fidelity",
    "pandas",
    "PIL",
    "pydantic",
)

# Runs in a fresh process, in which imports of heavy modules are recorded and refused.
_PROBE = """
import importlib, json, sys
heavy, module, paths = json.loads(sys.argv[1])
sys.path[:] = paths
import genkit.plugin
found, calling = [], False

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in heavy:
            found.append("imports " + name.partition(".")[0])
            raise ImportError(name + " is refused here: hooks stay light")

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        found.append("uses the network")
    elif event in ("subprocess.Popen", "os.system", "os.posix_spawn"):
        found.append("starts a process")
    elif calling and event == "open" and not str(arguments[0]).endswith((".py", ".pyc", ".so", ".pyd")):
        found.append("opens " + str(arguments[0]))

sys.meta_path.insert(0, Refuse())
sys.addaudithook(watch)
error = ""
try:
    plugin = importlib.import_module(module)
    calling = True
    for kind in ("models", "datasets", "features", "text_encoders", "metrics", "trackers", "engines", "commands"):
        list(getattr(plugin, "genkit_" + kind, tuple)())
except BaseException as caught:
    error = type(caught).__name__ + ": " + str(caught)
calling = False
print(json.dumps({"found": list(dict.fromkeys(found)), "error": error}))
"""


def hooks_light(tested: ModelUnderTest) -> None:
    """Importing the plugin and calling its hooks imports no heavy module and uses no file, network or process."""
    module = _plugin_module(_offer(tested))
    argument = json.dumps([HEAVY, module, [path for path in sys.path if path] + [""]])
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, argument], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode or not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise CheckFailed(f"{module} ends the process that imports it: {last}")
    report = json.loads(done.stdout.strip().splitlines()[-1])
    require(
        not report["found"],
        f"{module} {', '.join(report['found'])} when it is imported or its hooks are called: "
        "hooks only list what there is; import in the target's module instead",
    )
    require(not report["error"], f"{module} fails without heavy modules: {report['error']}")


def spec_valid(tested: ModelUnderTest) -> None:
    """The spec's fields are single lines of text that listings can show."""
    spec = _offer(tested).spec
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        require(isinstance(value, str), f"the spec's {field.name} is {value!r}, not a string")
        require(
            value == " ".join(value.split()), f"the spec's {field.name} {value!r} is not one line without extra spaces"
        )
    require(bool(spec.summary), "the spec has no summary: describe the model in one line")
    require(len(spec.summary) <= 100, f"the spec's summary has {len(spec.summary)} letters: listings show at most 100")
    require(bool(spec.family), "the spec has no family")


def options_round_trip(tested: ModelUnderTest) -> None:
    """Options are a dataclass with valid defaults that survives JSON and refuses unknown keys."""
    require_round_trip(tested.cls.Options, "Options", tested.name)
    build(tested.cls.Options, tested.options, tested.name)


def require_round_trip(cls: type, what: str, owner: str) -> None:
    """Raise CheckFailed unless a class is a dataclass of valid defaults that survives JSON and refuses unknown keys."""
    require(dataclasses.is_dataclass(cls), f"{what} is {cls!r}, not a dataclass")
    for field in dataclasses.fields(cls):
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        require(not (field.init and missing), f"option {field.name} has no default")
    default: Any = build(cls, {}, owner)
    stored = to_json(default)
    try:
        again: Any = build(cls, json.loads(json.dumps(stored)), owner)
    except (OptionsError, TypeError, ValueError) as error:
        raise CheckFailed(f"its default options can't be read back from JSON: {error}") from error
    require(again == default, f"its options change when stored as JSON: {default} becomes {again}")
    try:
        build(cls, {"no_such_option": 1}, owner)
    except OptionsError:
        pass
    else:
        raise CheckFailed("an unknown option is accepted")


def presets_valid(tested: ModelUnderTest) -> None:
    """Every preset has a budget, a batch size and valid options; ``stages`` and ``ema_half_life`` are positive."""
    cls: type[GenerativeModel] = tested.cls
    require(isinstance(cls.stages, int) and cls.stages >= 1, f"stages is {cls.stages!r}, not at least 1")
    require(cls.ema_half_life > 0, f"ema_half_life is {cls.ema_half_life}, not a number of images above zero")
    for name, preset in cls.presets.items():
        require(isinstance(preset, Preset), f"preset {name!r} is {preset!r}, not a Preset")
        require(preset.images > 0 and preset.batch > 0, f"preset {name!r} has no budget or no batch size")
        for given, kind in ((preset.options, cls.Options), (preset.sampling, cls.Sampling)):
            try:
                options: Any = build(kind, given, f"preset {name!r}")
                again: Any = build(kind, to_json(options), name)
            except OptionsError as error:
                raise CheckFailed(str(error)) from error
            require(again == options, f"the options of preset {name!r} change when stored as JSON")


def _offer(tested: ModelUnderTest) -> Offer[ModelSpec]:
    if tested.offer is None:
        raise CheckSkipped("no plugin: a class was given")
    return tested.offer


def _plugin_module(offer: Offer[ModelSpec]) -> str:
    """Return the name of the module whose hook yields the spec."""
    manager = registry().manager
    for module in manager.get_plugins():
        ours = manager.get_name(module) == f"{offer.plugin.dist}:{module.__name__}"
        if ours and offer.spec in list(getattr(module, "genkit_models", tuple)()):
            return str(module.__name__)
    raise CheckFailed(f"the module that offers {offer.qualified} is gone")
