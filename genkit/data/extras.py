"""Modules of the extras, imported when they are first needed."""

from __future__ import annotations

import importlib
from typing import Any

from genkit.errors import MissingError


def extra_module(name: str, extra: str, what: str) -> Any:
    """Return an optional library; raises MissingError, which names the extra that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingError(
            f"{what} needs {name.partition('.')[0]}, which is not installed: pip install 'genkit-toolkit[{extra}]'"
        ) from error
