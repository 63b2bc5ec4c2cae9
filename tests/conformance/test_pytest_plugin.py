"""The pytest plugin as a third party uses it: four lines, one test for each check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = "torch", "numpy", "genkit.conformance", "genkit.models.base"
FOUR_LINES = """
import pytest

@pytest.mark.genkit_model("noise")
def test_conformance(genkit_check):
    genkit_check()
"""
BROKEN = """
import pytest, torch
from genkit.models.base import GenerativeModel

class Bright(GenerativeModel):
    def sample(self, n, *, generator, condition=None):
        return 2 * torch.rand(n, *self.data.shape, generator=generator)

@pytest.mark.genkit_model(model=Bright)
def test_conformance(genkit_check):
    genkit_check()
"""
UNMARKED = """
def test_conformance(genkit_check):
    genkit_check()
"""
LIGHT = f"""
import sys

def test_nothing_heavy_is_there():
    assert not set({HEAVY!r}) & set(sys.modules)
    assert "genkit.pytest_plugin" in sys.modules
"""


def run(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on one file, alone in a folder, in a process of its own."""
    (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", "-rs", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_pytest_starts_without_anything_heavy(tmp_path: Path) -> None:
    done = run(tmp_path, LIGHT)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_each_check_is_a_test_that_passes_or_skips_with_its_reason(tmp_path: Path) -> None:
    done = run(tmp_path, FOUR_LINES, "-v")
    assert done.returncode == 0, done.stdout
    assert "test_it.py::test_conformance[sample-images] PASSED" in done.stdout
    assert "test_it.py::test_conformance[reconstruct] SKIPPED (no reconstruct)" in done.stdout


@pytest.mark.slow
def test_a_broken_promise_fails_its_own_test_with_the_reason_alone(tmp_path: Path) -> None:
    done = run(tmp_path, BROKEN, "-v")
    assert done.returncode == 1
    assert "test_conformance[sample-images] FAILED" in done.stdout
    assert "1 failed" in done.stdout
    assert "outside [0, 1]" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.slow
def test_a_test_without_the_mark_is_told_to_have_one(tmp_path: Path) -> None:
    done = run(tmp_path, UNMARKED, "-k", "options")
    assert done.returncode != 0
    assert 'needs @pytest.mark.genkit_model("' in done.stdout
