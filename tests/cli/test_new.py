"""genkit new: the package it makes, and the names it refuses."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from genkit.conformance import check
from genkit.models import GenerativeModel


def loaded(package: Path, module: str, monkeypatch: pytest.MonkeyPatch) -> type[GenerativeModel]:
    """Import the class that a new package's spec names."""
    import importlib

    monkeypatch.syspath_prepend(package / "src")
    (spec,) = importlib.import_module(f"{module}.plugin").genkit_models()
    return spec.load()


def test_it_makes_a_package_and_says_what_comes_next(genkit):
    result = genkit("new", "novel-gan")
    assert result.code == 0, result.err
    assert result.out == "novel-gan\n"
    files = {str(path.relative_to("novel-gan")) for path in Path("novel-gan").rglob("*") if path.is_file()}
    assert files == {
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "src/novel_gan/__init__.py",
        "src/novel_gan/model.py",
        "src/novel_gan/plugin.py",
        "tests/test_conformance.py",
    }
    assert "genkit check novel-gan" in result.err
    assert "install -e novel-gan" in result.err


def test_no_file_keeps_a_placeholder_and_every_module_compiles(genkit):
    for family in ("gan", "vae"):
        genkit("new", f"novel-{family}", "--family", family)
    for path in Path().rglob("*"):
        if path.is_file():
            assert "$" not in path.read_text(), path
            if path.suffix == ".py":
                compile(path.read_text(), str(path), "exec")


def test_the_entry_point_is_in_genkits_group(genkit):
    genkit("new", "novel-gan")
    project = tomllib.loads(Path("novel-gan/pyproject.toml").read_text())["project"]
    assert project["name"] == "novel-gan"
    assert project["entry-points"]["genkit"] == {"novel-gan": "novel_gan.plugin"}


def test_the_new_files_are_formatted_and_linted(genkit):
    for family in ("gan", "vae"):
        genkit("new", f"novel-{family}", "--family", family)
    for command in (["format", "--check"], ["check", "--select", "E,F,UP,B"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--isolated", "--line-length", "120", "."],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("family", ["gan", "vae"])
def test_the_new_model_passes_its_checks(genkit, monkeypatch, family):
    genkit("new", f"fresh-{family}", "--family", family)
    cls = loaded(Path(f"fresh-{family}").resolve(), f"fresh_{family}", monkeypatch)
    report = check(cls)
    assert report.ok, str(report)
    assert not [result for result in report.results if result.reason.startswith("unverified")]


def test_dir_says_where_and_is_made_if_need_be(genkit):
    assert genkit("new", "novel-gan", "--dir", "deep/down").code == 0
    assert Path("deep/down/novel-gan/pyproject.toml").is_file()
    assert [path.name for path in Path("deep/down").iterdir()] == ["novel-gan"]


def test_nothing_is_overwritten(genkit):
    Path("novel-gan").mkdir()
    Path("novel-gan/mine.txt").write_text("mine")
    result = genkit("new", "novel-gan")
    assert result.code == 1
    assert "exists already" in result.err
    assert [path.name for path in Path("novel-gan").iterdir()] == ["mine.txt"]


def test_a_folder_that_can_not_be_made_is_one_sentence(genkit):
    Path("file").write_text("")
    result = genkit("new", "novel-gan", "--dir", "file/below")
    assert result.code == 1
    assert result.err.startswith("Error: file/below/novel-gan can't be made: ")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("My_GAN", "e.g. 'my-gan'"),
        ("2-gan", "e.g. 'gan'"),
        ("my--gan", "single hyphens"),
        ("../up", "is not a package name"),
        ("", "is not a package name"),
        ("class", "a keyword of Python"),
        ("none", "a keyword of Python"),
        ("true", "a keyword of Python"),
        ("noise", "a model named 'noise' exists already, in genkit-toolkit"),
        ("json", "a Python module named 'json'"),
        ("torch", "a Python module named 'torch'"),
        ("genkit", "a Python module named 'genkit'"),
    ],
)
def test_a_name_that_is_unfit_or_taken_is_refused(genkit, name, words):
    result = genkit("new", "--", name)
    assert result.code == 2
    assert words in result.err
    assert not list(Path().iterdir())
