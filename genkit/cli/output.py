"""Printing: JSON documents, notes on stderr, the width of the terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import Any

import click


def echo_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, indent=2, allow_nan=False, default=str))


def left_out(problem: str) -> None:
    """Say on stderr what a listing leaves out and why."""
    from genkit.report.text import plain

    click.echo(f"left out: {plain(problem)}", err=True)


def terminal_width() -> int | None:
    """Return the characters of a line, or None if stdout is not a terminal."""
    if "COLUMNS" in os.environ or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return None
