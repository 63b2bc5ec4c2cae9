"""The tutorial's package, taken from the page, works; the README's and the docs' commands exist."""

from __future__ import annotations

import re

import pytest
from pages import DOCS, blocks, build, genkit

ROOT = DOCS.parent
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The tutorial's package as its page says, made importable with its entry point."""
    folder = tmp_path_factory.mktemp("tutorial")
    page = ROOT / "docs" / "tutorial" / "first-plugin.md"
    assert set(blocks(page)) >= {"pyproject.toml", "src/genkit_tiny/plugin.py", "src/genkit_tiny/model.py"}
    source = build(page, folder)
    plugin = source / "genkit_tiny" / "plugin.py"
    lines = re.findall(r'`(ModelSpec\("tiny-.*?\))`', page.read_text())
    plugin.write_text(plugin.read_text() + "".join(f"    yield {line}\n" for line in lines))
    return folder


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
    added = re.findall(r'CommandSpec\("([a-z-]+)"', page.read_text())
    for name, rest in shown:
        if name in added:
            continue
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
