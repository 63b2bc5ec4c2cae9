"""Prompts in files."""

from __future__ import annotations

from pathlib import Path

from genkit.data.annotations import caption_lines
from genkit.errors import GenkitError, UsageError
from genkit.files.reading import read_file


def lines_of(path: Path) -> tuple[str, ...]:
    """Return the prompts in a file of UTF-8 text, one a line.

    Raises UsageError for a file without any or in another encoding, GenkitError for one that can't be read.
    """
    try:
        data = read_file(path)
        data.decode()
        found = caption_lines(data)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8: save it so") from error
    except OSError as error:
        raise GenkitError(f"{path} can't be read: {error.strerror or error}") from error
    if not found:
        raise UsageError(f"{path} holds no prompts: write one a line")
    return found
