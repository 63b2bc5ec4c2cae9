"""genkit new"""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from genkit.cli.help import Command, option
from genkit.cli.options import FOLDER
from genkit.cli.output import echo
from genkit.errors import GenkitError, UsageError
from genkit.files.writing import publishing
from genkit.registry.discovery import registry
from genkit.registry.specs import CommandSpec, DatasetSpec, FeatureSpec, MetricSpec, ModelSpec, Spec

FAMILIES: Mapping[str, tuple[str, str]] = {
    "bare": ("other", "A small diffusion model of dense layers"),
    "gan": ("gan", "A small GAN of dense layers"),
    "vae": ("vae", "A small VAE of dense layers"),
}
"""Family to start from -> family and summary of the new model's spec."""

FAMILY = "gan"


@dataclass(frozen=True)
class Kind:
    """What a package of one kind offers and is made of; ``source`` and ``test`` name its own files.

    ``commands`` are those that show it at work, each with what it does; ``dependencies`` what it imports besides
    genkit.
    """

    what: str
    spec: type[Spec] | None
    source: str
    content: str
    tests: str
    commands: Mapping[str, str]
    dependencies: tuple[str, ...] = ()
    test: str = "test_conformance.py"


KINDS: Mapping[str, Kind] = {
    "model": Kind(
        what="A generative model",
        spec=ModelSpec,
        source="model.py",
        content="the networks, the options and the presets",
        tests="genkit's conformance checks as tests",
        commands={
            "check {name}": "test its contract",
            "eval --model {name}": "train its preset on the built-in digits, and measure it",
            "leaderboard": "rank it",
        },
        dependencies=("torch>=2.5",),
    ),
    "metric": Kind(
        what="A metric",
        spec=MetricSpec,
        source="metric.py",
        content="a function of the evidence that returns a score",
        tests="the metric on arrays whose distances are known",
        commands={
            "metrics {name}": "show it and its parameters",
            "eval --model dcgan --metrics fid,{name}": "measure a model by it",
            "leaderboard --score {name}": "rank by it",
        },
        dependencies=("numpy>=1.26", "torch>=2.5"),
        test="test_metric.py",
    ),
    "features": Kind(
        what="A feature extractor",
        spec=FeatureSpec,
        source="extractor.py",
        content="images in, features out",
        tests="the extractor on images whose features are known",
        commands={
            "features": "show it",
            "eval --model dcgan --features {name} --metrics fid,kid": "compare a model's samples by it",
        },
        dependencies=("torch>=2.5",),
        test="test_extractor.py",
    ),
    "dataset": Kind(
        what="A data set",
        spec=DatasetSpec,
        source="data.py",
        content="the source of the images and their labels",
        tests="the data set as genkit opens it",
        commands={
            "datasets": "show it",
            "train --model dcgan --dataset {name} --images 6400": "train a model on it",
        },
        dependencies=("numpy>=1.26",),
        test="test_data.py",
    ),
    "command": Kind(
        what="A command",
        spec=CommandSpec,
        source="command.py",
        content="a click command",
        tests="the command on a model of a few steps",
        commands={
            "train --model dcgan --images 6400": "train a model to call it with",
            "{name} RUN": "call it with the folder that training prints",
        },
        dependencies=("click>=8.4", "pillow>=10.0", "torch>=2.5"),
        test="test_command.py",
    ),
    "observer": Kind(
        what="An observer of training and evaluation",
        spec=None,
        source="observer.py",
        content="what is done at each event and with each record",
        tests="the observer beside a short training",
        commands={
            "plugins": "show it",
            "eval --model dcgan": "train and measure a model beside it",
        },
        test="test_observer.py",
    ),
}

_SHARED = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "init.py": "src/{module}/__init__.py",
}
_OWN = {
    "plugin.py": "src/{module}/plugin.py",
    "{start}": "src/{module}/{source}",
    "test.py": "tests/{test}",
}
"""Template, for all kinds and in the folder of one -> path in the new package."""


@click.command(cls=Command)
@click.argument("name")
@option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="model",
    show_default=True,
    help="What the package offers.",
)
@option(
    "--family", type=click.Choice(list(FAMILIES)), help=f"Model to start from; bare: no family.  [default: {FAMILY}]"
)
@option(
    "--dir",
    "parent",
    type=FOLDER,
    default=Path(),
    help="Parent of the package's folder.  [default: current folder]",
)
def command(name: str, kind: str, family: str | None, parent: Path) -> None:
    """Make a plugin package with a small working model, or another plugin, to start from.

    \b
    genkit new my-gan
    genkit new my-vae --family vae --dir ~/projects
    genkit new my-metric --kind metric
    """
    if family is not None and kind != "model":
        raise UsageError(f"--family is the family of a model, and a new {kind} has none: leave it out")
    folder = make_package(name, parent, kind=kind, family=family or FAMILY)
    echo(f"{folder}")
    first, second, *_ = (each.format(name=name) for each in KINDS[kind].commands)
    echo(f"next: uv pip install -e {folder}    (or: pip install -e {folder})", err=True)
    for each in (first, second):
        echo(f"      genkit {each}", err=True)
    echo(f"then change the {kind}: {folder / 'src' / module_name(name) / KINDS[kind].source}", err=True)


def make_package(name: str, parent: Path, *, kind: str = "model", family: str = FAMILY) -> Path:
    """Write a new package of a kind from its templates and return its folder.

    Raises UsageError for a name that is invalid or taken, GenkitError for a folder that exists or can't be made.
    """
    check_name(name, kind)
    folder = parent / name
    if folder.exists() or folder.is_symlink():
        raise GenkitError(f"{folder} exists already: choose another name or --dir")
    made = KINDS[kind]
    start = f"{family}.py" if kind == "model" else made.source
    spec_family, summary = FAMILIES[family]
    values = {
        "name": name,
        "module": module_name(name),
        "cls": class_name(name),
        "family": spec_family,
        "summary": summary,
        "start": start,
        **{each: getattr(made, each) for each in ("what", "source", "content", "test", "tests")},
        "commands": _lines(made.commands, name),
        "dependencies": ", ".join(f'"{each}"' for each in ("genkit-toolkit>=0.1", *made.dependencies)),
    }
    layout = {**_SHARED, **{f"{kind}/{template}": target for template, target in _OWN.items()}}
    try:
        texts = {
            target.format(**values): _filled(template.format(**values), values) for template, target in layout.items()
        }
        parent.mkdir(parents=True, exist_ok=True)
        with publishing(folder) as draft:
            for target, text in texts.items():
                path = draft / target
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.encode())
    except OSError as error:
        raise GenkitError(f"{folder} can't be made: {error.strerror or error}") from error
    return folder


def _lines(commands: Mapping[str, str], name: str) -> str:
    """Return commands as indented lines, each with what it does."""
    written = {f"genkit {command.format(name=name)}": does for command, does in commands.items()}
    width = max(map(len, written))
    return "\n".join(f"    {command:{width}}   # {does}" for command, does in written.items())


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its values; raises UsageError if the class's name is one that the template uses."""
    text = (files("genkit") / "template" / f"{template}.tmpl").read_text(encoding="utf-8")
    filled = Template(text).substitute(values)
    given = re.findall(rf"^(?:class |from .* import (?:.*, )?){values['cls']}\b", filled, re.MULTILINE)
    if len(given) > 1:
        raise UsageError(
            f"the class of {values['name']!r} would be {values['cls']}, a name that its module uses already: "
            "choose another name"
        )
    return filled


def check_name(name: str, kind: str = "model") -> None:
    """Raise UsageError unless a name is valid for a distribution, a module and what a kind offers, and not taken."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        hint = f", e.g. {plain!r}" if plain else ""
        raise UsageError(f"{name!r} is not a package name: use lower-case letters, digits and single hyphens{hint}")
    module = module_name(name)
    if keyword.iskeyword(module) or keyword.issoftkeyword(module) or keyword.iskeyword(class_name(name)):
        raise UsageError(f"{name!r} is a keyword of Python and can't be a module: choose another name")
    spec = KINDS[kind].spec
    for offer in registry().offers(spec) if spec is not None else ():
        if name == offer.spec.name:
            what = "an extractor" if kind == "features" else f"a {offer.spec.kind}"
            raise UsageError(f"{what} named {name!r} exists already, in {offer.plugin.dist}: choose another name")
    if module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        raise UsageError(f"a Python module named {module!r} exists already: choose another name")


def module_name(name: str) -> str:
    """Return the import name of a distribution: ``my-gan`` -> ``my_gan``."""
    return name.replace("-", "_")


def class_name(name: str) -> str:
    """Return a class name: ``my-gan`` -> ``MyGAN``."""
    return "".join(part.upper() if part in ("gan", "vae") else part.capitalize() for part in name.split("-"))
