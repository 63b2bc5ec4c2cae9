"""What is imported is declared, and what is declared is imported: genkit, each plugin and what ``genkit new`` makes."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {
    "genkit-toolkit": (ROOT / "pyproject.toml", ROOT / "genkit"),
    "genkit-gans": (ROOT / "plugins/genkit-gans/pyproject.toml", ROOT / "plugins/genkit-gans/src"),
    "genkit-ray": (ROOT / "plugins/genkit-ray/pyproject.toml", ROOT / "plugins/genkit-ray/src"),
    "genkit-slurm": (ROOT / "plugins/genkit-slurm/pyproject.toml", ROOT / "plugins/genkit-slurm/src"),
    "genkit-tokens": (ROOT / "plugins/genkit-tokens/pyproject.toml", ROOT / "plugins/genkit-tokens/src"),
    "genkit-trackers": (ROOT / "plugins/genkit-trackers/pyproject.toml", ROOT / "plugins/genkit-trackers/src"),
    "genkit-vaes": (ROOT / "plugins/genkit-vaes/pyproject.toml", ROOT / "plugins/genkit-vaes/src"),
}
LOCAL = {
    "genkit": "genkit-toolkit",
    "genkit_gans": "genkit-gans",
    "genkit_ray": "genkit-ray",
    "genkit_slurm": "genkit-slurm",
    "genkit_tokens": "genkit-tokens",
    "genkit_trackers": "genkit-trackers",
    "genkit_vaes": "genkit-vaes",
}
OPTIONAL = {"timm": "timm", "open_clip": "open-clip-torch", "datasets": "datasets", "mlflow": "mlflow-skinny"}
"""Import names of extras that are not installed where the tests run."""
UNDECLARED = {"genkit-toolkit": {"pytest"}}  # the pytest plugin is imported by pytest itself
BY_NAME = ("import_module", "_library", "extra_module")
"""Functions that import the module which their first argument names."""


def declared(pyproject):
    """The distributions that a project names as dependencies, its extras' too."""
    project = tomllib.loads(pyproject.read_text())["project"]
    lists = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    return {normal(re.match(r"[\w.-]+", requirement)[0]) for each in lists for requirement in each}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder):
    """The top-level modules that a package's files import, whatever for and however late."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in BY_NAME:
                found |= {argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)}
    return {name.partition(".")[0] for name in found} - sys.stdlib_module_names


def distributions(modules):
    known = packages_distributions()
    return {normal(LOCAL.get(name) or OPTIONAL.get(name) or known.get(name, [name])[0]) for name in modules}


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_imported_is_declared(name):
    pyproject, folder = SOURCES[name]
    assert distributions(imported(folder)) - {name} - UNDECLARED.get(name, set()) - declared(pyproject) == set()


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_declared_is_imported(name):
    pyproject, folder = SOURCES[name]
    assert declared(pyproject) - distributions(imported(folder)) == set()


def test_a_module_that_is_imported_by_name_or_late_is_seen(tmp_path):
    (tmp_path / "a.py").write_text("def f():\n    import torch.nn\n    import_module('timm.models')\nfrom . import b\n")
    assert imported(tmp_path) == {"torch", "timm"}
