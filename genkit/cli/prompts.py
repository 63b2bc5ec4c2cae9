"""Prompts in files."""

from __future__ import annotations

from pathlib import Path

from genkit.data.annotations import caption_lines
from genkit.errors import GenkitError, UsageError
from genkit.files.reading import read_file


def lines_of(path: Path) -> tuple[str, ...]:
    """Return the prompts in a file, one a line; raises UsageError for a file without any, GenkitError for no file."""
    try:
        found = caption_lines(read_file(path))
    except OSError as error:
        raise GenkitError(f"{path} can't be read: {error.strerror or error}") from error
    if not found:
        raise UsageError(f"{path} holds no prompts: write one a line")
    return found
