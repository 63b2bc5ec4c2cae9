"""Names of files that are no UTF-8, for libraries that take no other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from genkit.files.reading import open_file


@contextlib.contextmanager
def in_utf8(path: Path | str) -> Iterator[str]:
    """Yield a path of a file that is UTF-8: its own, or while this lasts that of an open descriptor.

    Raises OSError for a file that can't be opened, if its path is no UTF-8.
    """
    text = str(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        with open_file(text) as file:
            yield f"/dev/fd/{file.fileno()}"
    else:
        yield text
