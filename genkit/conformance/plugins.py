"""What a plugin says of its model: hooks that stay light, a sane spec, options and presets that hold."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Any

from genkit.conformance.report import Broken, Skip, require
from genkit.conformance.subject import Subject
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

# Runs in a process that has none of the heavy modules: what a hook asks for is noted and refused.
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
    for hook in ("genkit_models", "genkit_datasets", "genkit_features", "genkit_metrics", "genkit_commands"):
        list(getattr(plugin, hook, tuple)())
except BaseException as caught:
    error = type(caught).__name__ + ": " + str(caught)
calling = False
print(json.dumps({"found": list(dict.fromkeys(found)), "error": error}))
"""


def hooks_light(subject: Subject) -> None:
    """Importing the plugin and calling its hooks imports nothing heavy, and touches no file, network or process."""
    module = _plugin_module(_offer(subject))
    argument = json.dumps([HEAVY, module, [path for path in sys.path if path] + [""]])
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, argument], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode or not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise Broken(f"{module} ends the process that imports it: {last}")
    report = json.loads(done.stdout.strip().splitlines()[-1])
    require(
        not report["found"],
        f"{module} {', '.join(report['found'])} when it is imported or its hooks are called: "
        "a hook only says what there is; import in the target's module instead",
    )
    require(not report["error"], f"{module} fails by itself: {report['error']}")


def spec_sane(subject: Subject) -> None:
    """The spec's fields are texts that listings can show."""
    spec = _offer(subject).spec
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        require(isinstance(value, str), f"the spec's {field.name} is {value!r}, not a text")
        require(value == " ".join(value.split()), f"the spec's {field.name} {value!r} is not one plain line")
    require(bool(spec.summary), "the spec has no summary: say in one line what the model is")
    require(len(spec.summary) <= 100, f"the spec's summary has {len(spec.summary)} letters; listings have room for 100")
    require(bool(spec.family), "the spec has no family")


def options_round_trip(subject: Subject) -> None:
    """Options are a dataclass whose defaults are valid, that survives JSON and refuses unknown keys."""
    cls = subject.cls.Options
    require(dataclasses.is_dataclass(cls), f"Options is {cls!r}, not a dataclass")
    fields = dataclasses.fields(cls)
    for field in fields:
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        require(not (field.init and missing), f"option {field.name} has no default")
    default: Any = build(cls, {}, subject.name)
    stored = to_json(default)
    try:
        again: Any = build(cls, json.loads(json.dumps(stored)), subject.name)
    except (OptionsError, TypeError, ValueError) as error:
        raise Broken(f"its default options do not survive JSON: {error}") from error
    require(again == default, f"its options change on the way through JSON: {default} becomes {again}")
    try:
        build(cls, {"no_such_option": 1}, subject.name)
    except OptionsError:
        pass
    else:
        raise Broken("an unknown option is accepted")
    build(cls, subject.options, subject.name)


def presets_valid(subject: Subject) -> None:
    """Every preset has a budget, a batch and valid options; the averaged modules and stages are well named."""
    cls: type[GenerativeModel] = subject.cls
    require(isinstance(cls.stages, int) and cls.stages >= 1, f"stages is {cls.stages!r}, not at least 1")
    require(cls.ema_half_life > 0, f"ema_half_life is {cls.ema_half_life}, not a number of images above zero")
    for name, preset in cls.presets.items():
        require(isinstance(preset, Preset), f"preset {name!r} is {preset!r}, not a Preset")
        require(preset.images > 0 and preset.batch > 0, f"preset {name!r} has no budget or no batch")
        try:
            options: Any = build(cls.Options, preset.options, f"preset {name!r}")
            again: Any = build(cls.Options, to_json(options), name)
        except OptionsError as error:
            raise Broken(str(error)) from error
        require(again == options, f"the options of preset {name!r} change on the way through JSON")


def _offer(subject: Subject) -> Offer[ModelSpec]:
    if subject.offer is None:
        raise Skip("no plugin, a class was given")
    return subject.offer


def _plugin_module(offer: Offer[ModelSpec]) -> str:
    """The name of the module whose hook yields a spec."""
    manager = registry().manager
    for module in manager.get_plugins():
        ours = manager.get_name(module) == f"{offer.plugin.dist}:{module.__name__}"
        if ours and offer.spec in list(getattr(module, "genkit_models", tuple)()):
            return str(module.__name__)
    raise Broken(f"the module that offers {offer.qualified} is gone")
