"""genkit new: the package it makes, and the names it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pages import installed

from genkit.cli.new import FAMILIES, KINDS
from genkit.conformance import check
from genkit.models import GenerativeModel


def make_all(genkit, name: str = "novel") -> list[str]:
    """Make a package of every kind and family, and return their folders."""
    made = [f"{name}-{each}" for each in (*FAMILIES, *KINDS)]
    for family in FAMILIES:
        assert genkit("new", f"{name}-{family}", "--family", family).code == 0
    for kind in KINDS:
        assert genkit("new", f"{name}-{kind}", "--kind", kind).code == 0
    return made


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
    make_all(genkit)
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


@pytest.mark.parametrize("name", ["a", "a-plugin-with-a-long-name-of-many-words"])
def test_the_new_files_are_formatted_and_linted(genkit, name):
    make_all(genkit, name)
    for command in (["format", "--check"], ["check", "--select", "E,F,I,UP,B"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_package_of_every_kind_is_found_and_passes_its_own_tests(genkit):
    folders = [Path(name).resolve() for name in make_all(genkit)]
    path = os.pathsep.join([*(str(installed(folder)) for folder in folders), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "GENKIT_STRICT_PLUGINS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", *folders]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_kind_says_what_to_run_next_and_what_to_change(genkit):
    make_all(genkit)
    for kind, made in KINDS.items():
        for command in made.commands:
            assert f"genkit {command.format(name=f'novel-{kind}')}" in Path(f"novel-{kind}/README.md").read_text()
        assert Path(f"novel-{kind}/src/novel_{kind}/{made.source}").is_file()
    result = genkit("new", "newer-metric", "--kind", "metric")
    assert "genkit metrics newer-metric" in result.err
    assert "then change the metric: newer-metric/src/newer_metric/metric.py" in result.err


def test_kinds_and_families_are_completed(completed):
    assert completed(["new", "mine", "--kind"], "") == [
        *("model", "metric", "features", "dataset", "command", "observer")
    ]
    assert completed(["new", "mine", "--family"], "") == ["bare", "gan", "vae"]


def test_only_a_model_has_a_family(genkit):
    result = genkit("new", "novel", "--kind", "metric", "--family", "vae")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "leave it out" in result.err
    assert not list(Path().iterdir())


@pytest.mark.parametrize("family", ["bare", "gan", "vae"])
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
        ("options", "the class of 'options' would be Options"),
        ("data-info", "the class of 'data-info' would be DataInfo"),
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


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("metric", "fid", "a metric named 'fid' exists already, in genkit-toolkit"),
        ("features", "pixels", "an extractor named 'pixels'"),
        ("dataset", "digits", "a dataset named 'digits'"),
        ("command", "train", "a command named 'train'"),
        ("observer", "Mine", "is not a package name"),
    ],
)
def test_a_name_of_the_same_kind_that_is_taken_is_refused(genkit, kind, name, words):
    result = genkit("new", name, "--kind", kind)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert words in result.err
    assert not list(Path().iterdir())
