"""The tests mirror the package: each module with logic has its twin, or is named at the top of a test of its folder."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "genkit"
ABOVE = {
    "models/likelihoods": "tests/models/test_likelihoods.py",
    "registry/builtins": "tests/registry/test_discovery.py",
    "pytest_plugin.py": "tests/conformance/test_pytest_plugin.py",
}
"""Modules tested one folder up, or elsewhere."""


def has_logic(path):
    kinds = ast.FunctionDef | ast.ClassDef
    return path.name != "__init__.py" and any(isinstance(node, kinds) for node in ast.parse(path.read_text()).body)


MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if has_logic(path))


def place_of_test(module, root=ROOT):
    """Say where a module is tested; an empty string if nowhere."""
    folder = root / "tests" / module.parent
    twin = folder / f"test_{module.name}"
    if twin.exists():
        return str(twin)
    for test in sorted(folder.glob("test_*.py")):
        head = ast.get_docstring(ast.parse(test.read_text())) or ""
        if "Tests " in head and re.search(rf"\b{module.stem}\b", head.partition("Tests ")[2]):
            return str(test)
    return next((ABOVE[key] for key in (str(module), str(module.parent)) if key in ABOVE), "")


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_has_a_test(module):
    found = place_of_test(module)
    assert found, f"{module} has neither a twin test nor is it named in its folder's tests"
    assert (ROOT / found).exists()


def test_an_untested_module_is_found(tmp_path):
    (tmp_path / "tests" / "data").mkdir(parents=True)
    (tmp_path / "tests" / "data" / "test_pack.py").write_text('"""Packs. Tests packed too."""\n')
    assert not place_of_test(Path("data/idx.py"), tmp_path)
    assert place_of_test(Path("data/packed.py"), tmp_path) and place_of_test(Path("data/pack.py"), tmp_path)
