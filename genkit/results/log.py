"""The log of a training: one JSON line a window, with the images seen and the means of what the model noted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

APART = ("step", "images", "seconds")
"""What a line holds besides the model's own values."""


def read_log(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of a log, none if there is none: a killed process leaves one unfinished."""
    try:
        texts = log.read_text(errors="replace").splitlines()
    except OSError:
        return
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and finite(line.get("images")) is not None:
            yield line


def finite(value: Any) -> float | None:
    """Return a finite number as it is, None for whatever is none."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None
