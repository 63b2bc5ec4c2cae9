"""genkit new"""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from genkit.cli.help import Command, option
from genkit.cli.options import FOLDER
from genkit.errors import GenkitError, UsageError
from genkit.registry.discovery import registry
from genkit.registry.specs import ModelSpec

FAMILIES = ("gan", "vae")
_LAYOUT = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "init.py": "src/{module}/__init__.py",
    "plugin.py": "src/{module}/plugin.py",
    "{family}.py": "src/{module}/model.py",
    "test_conformance.py": "tests/test_conformance.py",
}
"""Template -> path in the new package."""


@click.command(cls=Command)
@click.argument("name")
@option("--family", type=click.Choice(FAMILIES), default="gan", show_default=True, help="Model to start from.")
@option(
    "--dir",
    "parent",
    type=FOLDER,
    default=Path(),
    help="Parent of the package's folder.  [default: current folder]",
)
def command(name: str, family: str, parent: Path) -> None:
    """Make a plugin package with a small working model to start from.

    \b
    genkit new my-gan
    genkit new my-vae --family vae --dir ~/projects
    """
    folder = make_package(name, family, parent)
    click.echo(f"{folder}")
    click.echo(
        f"next: uv pip install -e {folder}    (or: pip install -e {folder})\n"
        f"      genkit check {name}\n"
        f"      genkit eval --model {name}\n"
        f"then change the model: {folder / 'src' / module_name(name) / 'model.py'}",
        err=True,
    )


def make_package(name: str, family: str, parent: Path) -> Path:
    """Write a new package from the template and return its folder.

    Raises UsageError for a name that is invalid or taken, GenkitError for a folder that exists or can't be made.
    """
    check_name(name)
    folder = parent / name
    if folder.exists() or folder.is_symlink():
        raise GenkitError(f"{folder} exists already: choose another name or --dir")
    values = {"name": name, "module": module_name(name), "cls": class_name(name), "family": family}
    templates = files("genkit") / "template"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
        try:
            for template, target in _LAYOUT.items():
                text = Template((templates / f"{template.format(**values)}.tmpl").read_text(encoding="utf-8"))
                path = draft / target.format(**values)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text.substitute(values), encoding="utf-8")
            draft.chmod(0o755)
            os.rename(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise GenkitError(f"{folder} can't be made: {error.strerror or error}") from error
    return folder


def check_name(name: str) -> None:
    """Raise UsageError unless a name is valid for a distribution, a module and a model, and not taken."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        hint = f", e.g. {plain!r}" if plain else ""
        raise UsageError(f"{name!r} is not a package name: use lower-case letters, digits and single hyphens{hint}")
    module = module_name(name)
    if keyword.iskeyword(module) or keyword.issoftkeyword(module) or keyword.iskeyword(class_name(name)):
        raise UsageError(f"{name!r} is a keyword of Python and can't be a module: choose another name")
    for offer in registry().offers(ModelSpec):
        if name == offer.spec.name:
            raise UsageError(f"a model named {name!r} exists already, in {offer.plugin.dist}: choose another name")
    if module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        raise UsageError(f"a Python module named {module!r} exists already: choose another name")


def module_name(name: str) -> str:
    """Return the import name of a distribution: ``my-gan`` -> ``my_gan``."""
    return name.replace("-", "_")


def class_name(name: str) -> str:
    """Return a class name: ``my-gan`` -> ``MyGAN``."""
    return "".join(part.upper() if part in FAMILIES else part.capitalize() for part in name.split("-"))
