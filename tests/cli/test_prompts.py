"""Prompts in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from genkit.cli.prompts import lines_of
from genkit.errors import GenkitError, UsageError


def test_each_line_is_a_prompt(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("a red 7\r\n\n  ein roter Neuner \nk\xe4se\xff".encode("latin-1"))
    assert lines_of(tmp_path / "list.txt") == ("a red 7", "ein roter Neuner", "k\ufffdse\ufffd")


def test_a_file_without_prompts_and_no_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(UsageError, match="holds no prompts"):
        lines_of(tmp_path / "empty.txt")
    with pytest.raises(GenkitError, match=r"none.txt can't be read: No such file"):
        lines_of(tmp_path / "none.txt")
