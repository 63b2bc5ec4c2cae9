"""Prompts in files."""

from __future__ import annotations

import re
from pathlib import Path

from genkit.errors import GenkitError, UsageError
from genkit.files.reading import read_file


def lines_of(path: Path) -> tuple[str, ...]:
    """Return the prompts in a file of UTF-8 text, one a line; line feeds and carriage returns alone end a line.

    Raises UsageError for a file without any or in another encoding, GenkitError for one that can't be read.
    """
    try:
        lines = re.split(r"[\r\n]", read_file(path).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8: save it so") from error
    except OSError as error:
        raise GenkitError(f"{path} can't be read: {error.strerror or error}") from error
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise UsageError(f"{path} holds no prompts: write one a line")
    return found
