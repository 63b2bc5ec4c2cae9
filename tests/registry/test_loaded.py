"""The sources of a plugin are those of its import, whatever its files hold when they are first asked for."""

from __future__ import annotations

import foreign
import pytest

from genkit.features import load_extractor
from genkit.features.cache import code_of_extractor
from genkit.registry.discovery import registry
from genkit.registry.loaded import find
from genkit.registry.provenance import code_of
from genkit.registry.specs import FeatureSpec


def source(place):
    with foreign.installed(place):
        return code_of_extractor(load_extractor("shade")).source


@pytest.mark.parametrize("folder", ["site-packages", "worked-in"])
@pytest.mark.parametrize("imported", ["at start", "with the target"])
def test_a_file_that_changes_between_its_import_and_the_first_question_is_not_the_code_that_runs(
    tmp_path, folder, imported
):
    hooks = foreign.HOOKS.replace("\n", "\n    import stranger.extractor\n", 1)
    files = {"stranger/__init__.py": hooks} if imported == "at start" else {}
    before = source(foreign.write(tmp_path / "as-it-was" / folder, files))
    place = foreign.write(tmp_path / folder, files)
    with foreign.installed(place):
        spec = registry().find(FeatureSpec, "shade").spec
        if imported != "at start":
            spec.load()
        (place / "stranger" / "shift.py").write_text("SHIFT = 1000.0\n")
        assert code_of(spec).source == before
    assert source(place) != before


def test_a_module_is_found_without_its_import():
    assert find("no_such_package.module") is None
    assert find("genkit.registry.loaded").name == "genkit.registry.loaded"
