"""The floors of the house: a module imports from its own floor or lower, also inside functions."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "genkit"
FLOORS = {
    0: "errors specs seeds paths scores logs",
    1: "hookspecs plugin registry options documents builtins",
    2: "protocol presets records store outcomes ranking significance report environment downloads",
    3: "blocks model augment gan vae losses likelihoods data features metrics baselines checkpoint images ema precision "
    "distributed turns runs",
    4: "training loop evaluation evidence transfer drawing bench cards latents editing conformance explaining pytest_plugin template",
    5: "cli",
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names.split()}
TORCH = ("torch", "torchvision", "torchmetrics", "torch_fidelity", "safetensors", "sklearn", "scipy.stats")
TORCH_WITHIN = {"genkit.environment"}
"""Says which torch made a number, so it imports torch when asked."""

SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "template" not in path.relative_to(PACKAGE).parts)


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(name):
    """The floor of a module of genkit; the facade itself is the roof, and imports nothing until it is asked."""
    parts = name.split(".")
    return FLOOR[parts[1]] if len(parts) > 1 else 6


def for_types_only(tree):
    """Nodes under ``if TYPE_CHECKING``: nothing of them runs."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }


def imports(path):
    """The absolute names that a file imports when it runs, at its top or later."""
    tree = ast.parse(path.read_text())
    skipped = for_types_only(tree)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = (PACKAGE.parent / Path(*whole.split("."))).with_suffix(".py").exists()
                yield whole if is_module or node.module == "genkit" else node.module


def test_every_module_has_a_floor():
    top = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert top - {"__init__"} - set(FLOOR) == set()


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_a_module_imports_from_its_own_floor_or_lower(path):
    own = floor_of(module_name(path))
    upward = [found for found in imports(path) if found.startswith("genkit.") and floor_of(found) > own]
    assert upward == []


@pytest.mark.parametrize("path", [path for path in SOURCES if floor_of(module_name(path)) <= 2], ids=module_name)
def test_the_lower_floors_never_import_torch(path):
    heavy = [found for found in imports(path) if found.startswith(TORCH)]
    assert heavy == [] or module_name(path) in TORCH_WITHIN


def test_builtins_import_the_facade_of_plugins_alone():
    for path in (PACKAGE / "builtins").glob("*.py"):
        found = {name for name in imports(path) if name.startswith("genkit")}
        assert all(name == "genkit.plugin" or name.startswith("genkit.builtins") for name in found), path


def test_nothing_is_pickled():
    for path in SOURCES:
        names = set(imports(path))
        assert not names & {"pickle", "dill", "joblib", "shelve", "marshal"}, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert "weights_only=True" in ast.unparse(node), path
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
                assert "allow_pickle=True" not in ast.unparse(node), path


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_file_is_above_four_hundred_lines(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("name", ["loop", "turns", "training"])
def test_the_harness_never_asks_for_the_family(name):
    assert re.findall(r"\b(gans?|vaes?|family ==)\b", (PACKAGE / f"{name}.py").read_text().lower()) == []
