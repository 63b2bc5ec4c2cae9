"""The page of all commands is what the program says today, and no line of it is cut on the page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import commands_page

DOCS = Path(commands_page.__file__).parent


def test_the_page_is_what_the_program_says(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert commands_page.PAGE.read_text() == commands_page.page(), "run: python docs/commands_page.py"


def test_no_line_is_wider_than_a_terminal_of_80_columns():
    body = commands_page.page().removeprefix(commands_page.HEAD)
    assert [line for line in body.splitlines() if len(line) > 80] == []


def test_it_names_every_command_and_subcommand():
    titles = [line.lstrip("# ") for line in commands_page.page().splitlines() if line.startswith("##")]
    assert {"genkit", "genkit train", "genkit compare", "genkit records export", "genkit weights pull"} <= set(titles)


def test_the_script_rewrites_the_page(tmp_path):
    (tmp_path / "reference").mkdir()
    (tmp_path / "commands_page.py").write_text((DOCS / "commands_page.py").read_text())
    subprocess.run([sys.executable, tmp_path / "commands_page.py"], check=True, env=os.environ, capture_output=True)
    assert (tmp_path / "reference" / "commands.md").read_text() == commands_page.page()
