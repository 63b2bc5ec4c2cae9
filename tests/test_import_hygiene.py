"""What may not be imported: a listing or a board needs no torch, so a laptop without it can make them."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest
from making import record, score

import genkit
from genkit.results import store

HEAVY = ("torch", "torchvision", "torchmetrics", "torch_fidelity", "sklearn", "scipy.stats", "pandas", "matplotlib")
LISTING = (*HEAVY, "numpy", "scipy", "pydantic", "jinja2", "safetensors", "PIL", "rich")

PROBE = """
import json, sys
from genkit.cli import main
sys.argv = ["genkit", *sys.argv[1:]]
try:
    main()
except SystemExit as stopped:
    code = stopped.code
print("\\n" + json.dumps([code, sorted(sys.modules)]))
"""


def imported(*arguments, cwd):
    """The modules in memory after a command, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, cwd=cwd, check=True
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("models",), ("models", "--json"), ("datasets",), ("metrics",), ("plugins",)],
    ids=" ".join,
)
def test_listings_import_nothing_heavy(arguments, tmp_path):
    assert imported(*arguments, cwd=tmp_path) & set(LISTING) == set()


@pytest.mark.parametrize("command", ["train", "eval", "compare", "leaderboard", "bench", "edit", "records"])
def test_help_pages_import_nothing_heavy(command, tmp_path):
    assert imported(command, "--help", cwd=tmp_path) & set(LISTING) == set()


@pytest.mark.parametrize("form", ["--json", "--md", "--csv", ""])
def test_a_leaderboard_needs_no_torch(form, tmp_path):
    for number in range(3):
        store.add(tmp_path / "runs", record("a", score(1.0 + number), options={"number": number}))
    modules = imported("leaderboard", *([form] if form else []), cwd=tmp_path)
    assert modules & set(HEAVY) == set()
    assert "genkit.ranking" in modules


def test_importing_genkit_imports_itself_and_the_standard_library():
    probe = "import sys; before = set(sys.modules); import genkit; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names} == {"genkit"}


def test_all_is_the_sorted_list_of_public_names():
    assert genkit.__all__ == sorted(genkit.__all__)
    assert set(genkit.__all__) == {*genkit._HOMES, "metrics"}


@pytest.mark.parametrize("name", [*genkit.__all__, "__version__"])
def test_every_public_name_resolves(name):
    assert getattr(genkit, name) is not None
    assert name in dir(genkit)


def test_a_function_is_not_hidden_by_a_submodule_of_its_name():
    for name, home in genkit._HOMES.items():
        importlib.import_module(home)
        assert not hasattr(getattr(genkit, name), "__path__")
        assert getattr(genkit, name).__module__.startswith("genkit.")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        genkit.trian  # noqa: B018
