"""Prompts in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from genkit.cli.prompts import lines_of
from genkit.errors import GenkitError, UsageError


def test_each_line_is_a_prompt(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("\ufeffa red 7\r\n\n  \u4e03 \na\u2028b\x0cc\n".encode())
    assert lines_of(tmp_path / "list.txt") == ("a red 7", "\u4e03", "a\u2028b\x0cc")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "list.txt").write_bytes("ein gr\u00fcner K\u00e4se\n".encode(encoding))
    with pytest.raises(UsageError, match="is not text in UTF-8"):
        lines_of(tmp_path / "list.txt")


def test_a_file_without_prompts_and_no_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(UsageError, match="holds no prompts"):
        lines_of(tmp_path / "empty.txt")
    with pytest.raises(GenkitError, match=r"none.txt can't be read: No such file"):
        lines_of(tmp_path / "none.txt")
