"""The tutorial's package, taken from the page, works; the README's and the docs' commands exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> dict[str, str]:
    """Return the captioned code blocks of a page by caption."""
    found = re.findall(r"```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)```", page.read_text(), re.DOTALL)
    return dict(found)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The tutorial's package as its page says, made importable with its entry point."""
    folder = tmp_path_factory.mktemp("tutorial")
    files = blocks(ROOT / "docs" / "tutorial" / "first-plugin.md")
    assert set(files) >= {"pyproject.toml", "src/genkit_tiny/plugin.py", "src/genkit_tiny/model.py"}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    plugin = folder / "src" / "genkit_tiny" / "plugin.py"
    lines = re.findall(r'`(ModelSpec\("tiny-.*?\))`', (ROOT / "docs/tutorial/first-plugin.md").read_text())
    plugin.write_text(plugin.read_text() + "".join(f"    yield {line}\n" for line in lines))
    info = folder / "src" / "genkit_tiny-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: genkit-tiny\nVersion: 0.1.0\n")
    entry = re.search(r"\[project.entry-points.genkit\]\n(.*?)\n", files["pyproject.toml"]).group(1).replace('"', "")
    (info / "entry_points.txt").write_text(f"[genkit]\n{entry}\n")
    return folder


def genkit(package: Path, *arguments: str) -> str:
    """Run a command beside the package and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(package / "src"), "GENKIT_STRICT_PLUGINS": "1"}
    command = [sys.executable, "-c", "from genkit.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tiny-gan", "tiny-vae", "tiny-hinge-gan"])
def test_the_tutorials_models_are_found_checked_trained_and_ranked(package, model):
    assert model in genkit(package, "models")
    assert "passed" in genkit(package, "check", model)
    run = genkit(package, "train", "--model", model, "--images", "3200").strip()
    genkit(package, "eval", "--run", run, "-n", "400")
    assert model in genkit(package, "leaderboard")


@pytest.mark.parametrize("name", ["model", "vae", "hinge"])
def test_the_tutorials_models_stay_under_sixty_lines(name):
    files = blocks(ROOT / "docs" / "tutorial" / "first-plugin.md")
    assert len(files[f"src/genkit_tiny/{name}.py"].splitlines()) < 60


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_that_a_page_shows_exists_with_its_options(page):
    import click

    from genkit.cli.commands import group

    context = click.Context(group)
    shown = re.findall(r"^(?:\$ |    )genkit ([a-z-]+)((?: [^\n#&·]+)?)", page.read_text(), re.MULTILINE)
    for name, rest in shown:
        command = group.get_command(context, name)
        assert command is not None, f"{page.name} shows genkit {name}"
        children = getattr(command, "commands", {})
        words = rest.split()
        if words and words[0] in children:
            command = children[words[0]]
        known = {option for parameter in command.params for option in parameter.opts}
        for word in words:
            if word.startswith("-"):
                assert word in known, f"{page.name}: genkit {name} has no {word}"
