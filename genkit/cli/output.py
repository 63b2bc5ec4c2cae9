"""Printing: JSON documents, notes on stderr, the width of the terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click


def echo_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    echo_result(json_text(document))


def json_text(document: Any) -> str:
    """Return one JSON document as text."""
    return json.dumps(document, indent=2, allow_nan=False, default=str)


def echo_result(text: str) -> None:
    """Print the result of a command on stdout."""
    click.echo(text)


def echo_written(grid: Path, out: Path | None, sources: Sequence[str], *, as_json: bool) -> None:
    """Print what was written: a grid, and a file in ``out`` for each source; as JSON with the source of each."""
    from genkit.latent.given import unique_names

    if as_json:
        files = (
            [str(out / f"{name}.png") for name in unique_names(sources)] if out is not None else [None] * len(sources)
        )
        pairs = zip(sources, files, strict=True)
        echo_json({"grid": str(grid), "images": [{"source": source, "file": file} for source, file in pairs]})
        return
    for path in filter(None, (grid, out)):
        click.echo(path)


def left_out(problem: str) -> None:
    """Say on stderr what a listing leaves out and why."""
    from genkit.report.text import plain

    click.echo(f"left out: {plain(problem)}", err=True)


def terminal_width() -> int | None:
    """Return the characters of a line, or None if stdout is not a terminal."""
    if "COLUMNS" in os.environ or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return None
