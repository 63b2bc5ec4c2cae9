"""The code of a plugin: what moves its hash, what does not, and what can't be read."""

from __future__ import annotations

import functools
import importlib
import sys
import types
import zipfile
from pathlib import Path

import foreign
import pytest
from installed import dist_info

from genkit.features import load_extractor
from genkit.features.cache import code_of_extractor
from genkit.registry.discovery import registry
from genkit.registry.provenance import code_of, code_of_object
from genkit.registry.specs import FeatureSpec, MetricSpec


def extractor_code(place):
    with foreign.installed(place):
        return code_of_extractor(load_extractor("shade"))


def metric_code(place):
    with foreign.installed(place):
        return code_of(registry().find(MetricSpec, "gap").spec)


@pytest.fixture
def plain(tmp_path):
    return extractor_code(foreign.write(tmp_path / "plain"))


@pytest.mark.parametrize(
    "changed",
    [
        {"stranger/extractor.py": foreign.EXTRACTOR.replace("+ SHIFT", "+ SHIFT + 1")},
        {"stranger/shift.py": "SHIFT = 1.0\n"},
        {"stranger/shift.py": "from stranger_core.base import SHIFT\n", "stranger_core/base.py": "SHIFT = 0.0\n"},
    ],
)
def test_a_change_in_what_an_extractor_is_made_of_changes_its_source(tmp_path, plain, changed):
    found = extractor_code(foreign.write(tmp_path / "changed", changed))
    assert found.source != plain.source
    assert (found.dist, found.version, found.readable) == ("stranger", "1.0", True)


def test_another_folder_line_ending_module_or_version_does_not_change_the_source(tmp_path, plain):
    changed = {"stranger/unused.py": "UNUSED = 2\n", "stranger/__init__.py": foreign.HOOKS + "\n    MORE = 1\n"}
    place = foreign.write(tmp_path / "other", changed, version="2.0")
    path = place / "stranger" / "extractor.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    found = extractor_code(place)
    assert found.source == plain.source
    assert found.key != plain.key  # the distribution's version is in the key of caches
    assert (found.version, plain.version) == ("2.0", "1.0")


@pytest.mark.parametrize(
    "imported",
    [
        "from stranger_core import base",
        "from stranger_core.base import SHIFT",
        "import stranger_core.base as base",
        "def late():\n    from stranger_core.base import SHIFT",
        "from neighbour import SHIFT",
        "from . import SHIFT",
        "from .deep import base",
        "from .deep.base import *",
    ],
)
def test_all_ways_to_import_are_followed_into_the_plugins_own(tmp_path, imported):
    def files(value):
        values = ("stranger_core/__init__.py", "stranger_core/base.py", "neighbour.py", "stranger/deep/base.py")
        hooks = {"stranger/__init__.py": foreign.HOOKS + f"\n    SHIFT = {value}\n"}
        return (
            {"stranger/shift.py": f"SHIFT = 0.0\n{imported}\n", **hooks}
            | {name: f"SHIFT = {value}\n" for name in values if value or name != "stranger_core/__init__.py"}
            | {"stranger_core/__init__.py": ""}
        )

    one, other = (extractor_code(foreign.write(tmp_path / str(value), files(value))) for value in (0, 1))
    assert one.source != other.source


def test_other_distributions_installed_beside_it_are_not_followed(tmp_path):
    found = []
    for value in (0, 1):
        place = foreign.write(
            tmp_path / str(value) / "site-packages", {"stranger/shift.py": "import elsewhere\nSHIFT = 0\n"}
        )
        (place / "elsewhere.py").write_text(f"VALUE = {value}\n")
        found.append(extractor_code(place).source)
    assert found[0] == found[1]


@pytest.mark.parametrize("library", ["neighbour", "numpy"])
def test_the_version_of_a_library_counts_unless_genkit_needs_it_itself(tmp_path, library):
    found = []
    for version in ("1.0", "2.0"):
        files = {"stranger/shift.py": f"import {library}\nSHIFT = 0\n"}
        place = foreign.write(tmp_path / version / "site-packages", files)
        (place / "neighbour.py").write_text("")
        dist_info(place, library, {}, version)
        found.append(extractor_code(place).source)
    assert (found[0] == found[1]) == (library == "numpy")


@pytest.mark.parametrize(
    "looking",
    [
        "import importlib",
        "from importlib import resources",
        "HERE = __file__",
        "exec('1')",
        "__import__('os')",
        "import stranger\nHERE = stranger.__file__",
        "import stranger\nHERE = getattr(stranger, '__path__')",
        "import inspect\nHERE = inspect.getfile(lambda: None)",
        "import sys\nHERE = sys.modules['stranger']",
    ],
)
def test_all_files_of_a_package_count_where_a_module_loads_more_than_it_says(tmp_path, looking):
    places = [foreign.write(tmp_path / str(n), {"stranger/shift.py": f"SHIFT = 0.0\n{looking}\n"}) for n in range(3)]
    (places[1] / "stranger" / "unused.py").write_text("UNUSED = 2\n")
    (places[2] / "stranger" / "table.csv").write_text("1,2\n")
    assert len({extractor_code(place).source for place in places}) == 3


def test_sources_in_an_archive_are_read(tmp_path):
    def zipped(name, files=None):
        place = foreign.write(tmp_path / name, files)
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for path in place.rglob("*.py"):
                archive.write(path, path.relative_to(place))
        with foreign.installed(tmp_path / f"{name}.zip"):
            return code_of(FeatureSpec("shade", "stranger.extractor:shade"))

    one, same, other = zipped("one"), zipped("same"), zipped("other", {"stranger/shift.py": "SHIFT = 1.0\n"})
    assert one.source == same.source != other.source
    assert one.readable


def test_a_file_that_changes_after_its_import_is_not_the_code_that_runs(tmp_path):
    place = foreign.write(tmp_path)
    with foreign.installed(place):
        before = code_of_extractor(load_extractor("shade")).source
        (place / "stranger" / "shift.py").write_text("SHIFT = 100.0\n")
        assert code_of_extractor(load_extractor("shade")).source == before
        importlib.reload(sys.modules["stranger.shift"])
        assert code_of_extractor(load_extractor("shade")).source != before


def made_by_hand(monkeypatch, text):
    """A module as a notebook has them: of no file."""
    module = types.ModuleType("elsewhere")
    exec(text, vars(module))
    monkeypatch.setitem(sys.modules, "elsewhere", module)
    return module


def test_sources_that_can_not_be_read_are_never_equal_to_others_and_that_is_said(monkeypatch, caplog):
    spec = MetricSpec("odd", "elsewhere:odd")
    made_by_hand(monkeypatch, "def odd(evidence): pass")
    one, again = code_of(spec), code_of(spec)
    made_by_hand(monkeypatch, "def odd(evidence): return 1")
    other = code_of(spec)
    assert not one.readable
    assert one == again != other
    first, _ = caplog.messages
    assert first == (
        "the sources of metric odd can't be read (module elsewhere has no file): what it computes is not kept, and compared "
        "within this process alone; put its code into a file"
    )


def test_partial_wrapped_and_callable_targets_are_traced_to_their_modules(tmp_path, monkeypatch):
    place = foreign.write(tmp_path, {"neighbour.py": "class Gap:\n    def __call__(self, evidence): pass\n"})
    with foreign.installed(place):
        inner = importlib.import_module("stranger.metric").gap
        one = importlib.import_module("neighbour").Gap()

        @functools.wraps(inner)
        def wrapped(evidence):
            return inner(evidence)

        targets = {
            "part": functools.partial(inner, 1),
            "wrapped": wrapped,
            "one": one,
            "cached": functools.cache(inner),
        }
        holder = types.ModuleType("genkit.holder")  # a name of genkit's, so that the target alone is foreign
        vars(holder).update(targets)
        monkeypatch.setitem(sys.modules, "genkit.holder", holder)
        found = {name: code_of(MetricSpec(name, f"genkit.holder:{name}")) for name in targets}
    assert len({found[name].source for name in ("part", "wrapped", "cached")}) == 1
    assert found["one"].source not in ("", found["part"].source)


def test_genkit_s_own_has_no_code_of_a_plugin():
    own = [each.spec for kind in (FeatureSpec, MetricSpec) for each in registry().offers(kind)]
    assert own
    assert [code_of(spec) for spec in own] == [None] * len(own)
    assert code_of_extractor(load_extractor("random-conv")) is None
    assert code_of_object(Path()) is None


def test_what_can_not_be_loaded_has_no_code():
    assert code_of(MetricSpec("gone", "no_such_module_anywhere:gone")) is None


def test_a_metric_s_code_is_that_of_its_own_module(tmp_path):
    one = metric_code(foreign.write(tmp_path / "one"))
    other = metric_code(foreign.write(tmp_path / "two", {"stranger/shift.py": "SHIFT = 1.0\n"}))
    third = metric_code(foreign.write(tmp_path / "three", {"stranger/metric.py": foreign.METRIC + "\n    # said\n"}))
    assert one.source == other.source != third.source
