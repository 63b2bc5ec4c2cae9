"""The layout of the package: a folder imports only from those below it, and no imports form a circle."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "genkit"
GROUND_UP = [
    "errors",
    "files",
    "seeds",
    "options",
    "downloads",
    "devices",
    "results",
    "registry",
    "plugin",
    "ranking",
    "data",
    "report",
    "models",
    "features",
    "training",
    "metrics",
    "latent",
    "conformance",
    "evaluation",
    "benchmark",
    "cli",
]
"""Every folder and module of genkit, from the ground up: each imports from those before it alone."""
FACE = {"registry": "plugin"}
"""plugin.py is the face of registry/: the built-in plugins inside are written against it, as everyone's are."""
ENTRY_POINTS = {"__init__", "__main__", "pytest_plugin"}
"""What starts genkit from outside; nothing imports them, they import what they start."""

NO_TORCH = ("errors", "files", "seeds", "options", "downloads", "results", "registry", "plugin", "ranking", "report")
TORCH = ("torch", "torchvision", "torchmetrics", "torch_fidelity", "safetensors", "sklearn", "scipy.stats")
SAYS_WHICH_TORCH = {"genkit.results.environment"}
"""Imports torch when asked, to say which one made a number."""


def sources(package):
    return sorted(path for path in package.rglob("*.py") if "template" not in path.relative_to(package).parts)


SOURCES = sources(PACKAGE)


def module_name(path, package=PACKAGE):
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def for_types_only(tree):
    """Nodes under ``if TYPE_CHECKING``: nothing of them runs."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }


def imports(path, package=PACKAGE, *, types_too=False):
    """The absolute names of modules that a file imports, at its top or inside functions."""
    tree = ast.parse(path.read_text())
    skipped = set() if types_too else for_types_only(tree)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                place = package.parent / Path(*whole.split("."))
                yield whole if place.with_suffix(".py").exists() or place.is_dir() else node.module


def folder(name):
    """The entry of GROUND_UP that a module belongs to; "" for the package itself."""
    return [*name.split("."), ""][1]


def misplaced(path, package=PACKAGE):
    """The imports of a file that do not go down: upward ones, and sideways ones to a folder not in the list."""
    own = folder(module_name(path, package))
    allowed = {own, FACE.get(own), *GROUND_UP[: GROUND_UP.index(own)]}
    inside = [name for name in imports(path, package, types_too=True) if name.split(".")[0] == package.name]
    return [name for name in inside if folder(name) not in allowed]


def circle(package=PACKAGE):
    """A circle of modules that import each other when they run, or None."""
    files = {module_name(path, package): path for path in sources(package)}
    graph = {name: {found for found in imports(path, package) if found in files} for name, path in files.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


@pytest.fixture
def house(tmp_path):
    """A package of three folders of the list, sound as it stands, and a way to write a module of it."""

    def write(name, text):
        path = tmp_path / "genkit" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    write("__init__.py", "")
    write("data/split.py", "import numpy\nfrom genkit.errors import DataError\n")
    write("errors.py", "")
    write("metrics/fid.py", "from genkit.data.split import Split\n")
    return write


def test_a_sound_house_passes(house, tmp_path):
    package = tmp_path / "genkit"
    assert [misplaced(package / name, package) for name in ("data/split.py", "metrics/fid.py")] == [[], []]
    assert circle(package) is None


@pytest.mark.parametrize(
    "line",
    [
        "from genkit.metrics.fid import fid",
        "import genkit.metrics.fid",
        "from genkit.metrics import fid",
        "def later():\n    from genkit.metrics.fid import fid",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from genkit.metrics.fid import fid",
    ],
    ids=["from", "import", "module", "in a function", "for types"],
)
def test_an_upward_import_is_found(house, tmp_path, line):
    path = house("data/upward.py", f"{line}\n")
    assert misplaced(path, tmp_path / "genkit") != []


def test_a_sideways_import_is_found(house, tmp_path):
    path = house("devices.py", "from genkit.elsewhere import anything\n")
    assert misplaced(path, tmp_path / "genkit") == ["genkit.elsewhere"]


def test_the_whole_package_is_not_imported_from_inside(house, tmp_path):
    path = house("data/roof.py", "from genkit import train\n")
    assert misplaced(path, tmp_path / "genkit") == ["genkit"]


def test_a_circle_is_found(house, tmp_path):
    house("data/left.py", "from genkit.data.right import b\n")
    house("data/right.py", "def late():\n    from genkit.data import left\n")
    assert {"genkit.data.left", "genkit.data.right"} <= set(circle(tmp_path / "genkit"))


def test_a_circle_of_types_alone_is_none(house, tmp_path):
    house("data/left.py", "from genkit.data.right import b\n")
    house("data/right.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from genkit.data import left\n")
    assert circle(tmp_path / "genkit") is None


def test_everything_has_its_place_in_the_list():
    top = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert top == {*GROUND_UP, *ENTRY_POINTS}


def test_the_package_has_at_most_26_entries():
    assert len([path for path in PACKAGE.iterdir() if path.name != "__pycache__"]) <= 26


@pytest.mark.parametrize("path", [p for p in SOURCES if folder(module_name(p)) in GROUND_UP], ids=module_name)
def test_a_folder_imports_only_from_those_below(path):
    assert misplaced(path) == []


def test_no_imports_form_a_circle():
    assert circle() is None


@pytest.mark.parametrize("path", [p for p in SOURCES if folder(module_name(p)) in NO_TORCH], ids=module_name)
def test_what_a_laptop_needs_never_imports_torch(path):
    heavy = [found for found in imports(path) if found.startswith(TORCH)]
    assert heavy == [] or module_name(path) in SAYS_WHICH_TORCH


def test_builtins_import_the_face_of_plugins_alone():
    for path in (PACKAGE / "registry" / "builtins").glob("*.py"):
        found = {name for name in imports(path) if name.startswith("genkit")}
        assert all(name == "genkit.plugin" or name.startswith("genkit.registry.builtins") for name in found), path


def test_nothing_is_pickled():
    for path in SOURCES:
        names = set(imports(path))
        assert not names & {"pickle", "dill", "joblib", "shelve", "marshal"}, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert "weights_only=True" in ast.unparse(node), path
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
                assert "allow_pickle=True" not in ast.unparse(node), path


MOVES_STREAMS = "genkit.registry.fence"
"""Has stderr stand in for stdout while code of a plugin runs; it prints nothing itself."""


def test_only_the_command_line_prints():
    for path in SOURCES:
        if folder(module_name(path)) not in ("cli", *ENTRY_POINTS) and module_name(path) != MOVES_STREAMS:
            found = {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.expr)}
            assert not found & {"print", "sys.stdout", "sys.stderr"}, path


OUTPUT = "genkit.cli.output"
TEXT = "genkit.files.text"
FIRST_WORDS = {"genkit.cli", "genkit.cli.process"}
"""What runs before anything is imported and after the streams are closed; it prints texts of its own alone."""


def ways_out(path, package=PACKAGE):
    """The calls of a file that write text around genkit.cli.output and genkit.files.text."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name, given = ast.unparse(node.func), {each.arg: ast.unparse(each.value) for each in node.keywords}
        last = name.rpartition(".")[2]
        constant = all(isinstance(each, ast.Constant) for each in node.args)
        mode = given.get("mode") or (ast.unparse(node.args[1]) if len(node.args) > 1 else "'r'")
        if (
            name in ("print", "os.write", "pprint", "csv.writer", "csv.DictWriter", "json.dump", "traceback.print_exc")
            or (last in ("echo", "secho", "echo_via_pager", "confirm", "prompt") and name.startswith("click."))
            or (name.startswith(("sys.stdout", "sys.stderr")) and last in ("write", "writelines"))
            or last in ("write_text", "getLogger")
            or (last == "open" and re.search("[wax+]", mode) and "b" not in mode and "encoding" in given)
            or (name == "json.dumps" and "ensure_ascii" in given)
        ):
            own_words = module_name(path, package) in FIRST_WORDS and constant
            named = last == "getLogger" and constant
            if not (own_words or named):
                yield name


@pytest.mark.parametrize("path", [p for p in SOURCES if module_name(p) not in (OUTPUT, TEXT)], ids=module_name)
def test_text_leaves_by_the_one_way_out(path):
    assert list(ways_out(path)) == []


@pytest.mark.parametrize(
    "line",
    [
        "print(name)",
        "click.echo(name)",
        "click.secho(name, err=True)",
        "click.confirm(name)",
        "sys.stderr.write(name)",
        "os.write(2, name)",
        "path.write_text(name)",
        "csv.writer(file)",
        "json.dump(name, file)",
        "json.dumps(name, ensure_ascii=False)",
        "logging.getLogger(__name__)",
        "open(path, 'w', encoding='utf-8')",
    ],
)
def test_a_way_around_is_found(house, tmp_path, line):
    assert list(ways_out(house("data/around.py", f"{line}\n"), tmp_path / "genkit")) != []


PLUGINS = sorted(PACKAGE.parent.glob("plugins/*/src/**/*.py"))


@pytest.mark.parametrize("path", [*SOURCES, *PLUGINS], ids=lambda path: path.stem)
def test_no_file_is_above_320_lines(path):
    assert len(path.read_text().splitlines()) <= 320


@pytest.mark.parametrize("path", sorted((PACKAGE / "training").glob("*.py")), ids=lambda path: path.stem)
def test_the_harness_never_asks_for_the_family(path):
    assert re.findall(r"\b(gans?|vaes?|family ==)\b", path.read_text().lower()) == []
