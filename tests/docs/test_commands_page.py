"""The page of all commands is what the program says today, and no line of it is wider than a terminal."""

from __future__ import annotations

import shutil
import subprocess
import sys

import commands_page
import pytest


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page as the script writes it, in a process of its own."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "reference").mkdir()
    script = shutil.copy(commands_page.__file__, folder)
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    return (folder / "reference" / "commands.md").read_text()


def test_the_committed_page_is_up_to_date(page):
    assert commands_page.PAGE.read_text() == page, "run: python docs/commands_page.py"


def test_no_line_is_wider_than_a_terminal_of_80_columns(page):
    body = page.removeprefix(commands_page.HEAD)
    assert [line for line in body.splitlines() if len(line) > 80] == []


def test_it_has_every_command_and_subcommand(page):
    titles = {line.lstrip("# ") for line in page.splitlines() if line.startswith("##")}
    assert {"genkit", "genkit train", "genkit compare", "genkit records export", "genkit weights pull"} <= titles
