"""The distributions and the citation have one version; the changelog has its section."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = (ROOT, *sorted((ROOT / "plugins").iterdir()))


def test_all_that_is_released_together_has_one_version():
    versions = {tomllib.loads((each / "pyproject.toml").read_text())["project"]["version"] for each in PROJECTS}
    versions.add(re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE).group(1))
    assert len(versions) == 1
    assert f"\n## {versions.pop()} " in (ROOT / "CHANGELOG.md").read_text()


def test_the_workflow_calls_what_a_contributor_calls():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    called = re.findall(r"run: bash (\S+)", workflow)
    assert called == [".ci/run", ".ci/lower-bounds"]
    assert all((ROOT / path).is_file() for path in called)
