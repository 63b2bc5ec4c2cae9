"""The training log: one JSON line per logging interval, with images seen and the mean of each logged value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genkit.files.reading import parse_json, read_file

LOG = 256 << 20
"""Most bytes of a log that are read."""

COUNTERS = ("step", "images", "seconds")
"""The keys of a line that are not the model's own values."""


def read_log(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the complete lines of a log; none if the file is missing. A killed process leaves its last line torn."""
    try:
        texts = read_file(log, LOG).decode(errors="replace").splitlines()
    except OSError:
        return
    for text in texts:
        try:
            line = parse_json(text)
        except ValueError:
            continue
        if isinstance(line, dict) and finite(line.get("images")) is not None:
            yield line


def finite(value: Any) -> float | None:
    """Return a finite number unchanged, None for anything else."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None
