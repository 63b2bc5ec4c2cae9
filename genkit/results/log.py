"""The training log: one JSON line per logging interval, with images seen and the mean of each logged value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genkit.files.reading import Regular, open_file, parse_json

LOG = 256 << 20
"""Most bytes of a log that is read."""

LINE = 1 << 20
"""Most bytes of a line; a longer one is left out."""

_LINES = 50_000
_BYTES = 16 << 20
"""Lines, and bytes of them, that are read whole; of a longer log every second is, or every fourth, and so on."""

COUNTERS = ("step", "images", "seconds")
"""The keys of a line that are not the model's own values."""


def read_log(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the complete lines of a log, of a very long one some; none if the file is missing.

    A killed process leaves its last line torn.
    """
    try:
        with open_file(log, LINE) as file:
            texts = _thinned(file)
    except OSError:
        return
    for text in texts:
        try:
            line = parse_json(text.decode(errors="replace"))
        except ValueError:
            continue
        if isinstance(line, dict) and finite(line.get("images")) is not None:
            yield line


def _thinned(file: Regular) -> list[bytes]:
    """Return lines at equal distances, and the last one; none of a file without measure."""
    kept, size, every, read, text = list[bytes](), 0, 1, 0, b""
    for number, text in enumerate(_lines(file)):
        read += len(text)
        if read > LOG:
            return []
        if number % every == 0:
            kept.append(text)
            size += len(text)
        while len(kept) > _LINES or size > _BYTES:
            kept, every = kept[::2], 2 * every
            size = sum(map(len, kept))
    return kept if not kept or kept[-1] is text else [*kept, text]


def _lines(file: Regular) -> Iterator[bytes]:
    whole = True
    while text := file.readline(LINE):
        ends = text.endswith(b"\n")
        if whole and (ends or len(text) < LINE):
            yield text
        whole = ends


def finite(value: Any) -> float | None:
    """Return a finite number unchanged, None for anything else."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None
