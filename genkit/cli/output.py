"""Printing, here alone: lines and tables in which no name does harm, JSON documents, the width of the terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from genkit.errors import one_line
from genkit.files.text import encodable, json_text, lines
from genkit.registry.fence import set_aside


def echo(line: object = "", *, err: bool = False) -> None:
    """Print one line, whatever it holds; see ``genkit.errors.one_line``."""
    _write(f"{one_line(str(line))}\n", err)


def echo_lines(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text of several lines whose names are already on one line each, as those of tables are."""
    _write(lines(text) + "\n" * nl, err)


_apart: list[Any] = []
"""The stream of stdout while the rest goes to stderr; None in it if there is no stdout."""


@contextlib.contextmanager
def results_apart() -> Iterator[None]:
    """Send to stderr all that others print, also libraries and processes; stdout gets what this module prints."""
    copied = getattr(sys.stdout, "copied", contextlib.nullcontext(sys.stdout))
    with copied as stream:
        _apart.append(stream)
        try:
            with set_aside():
                yield
        finally:
            _apart.pop()


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Print nothing, on stdout and on stderr."""
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
        _apart.append(nothing)
        try:
            yield
        finally:
            _apart.pop()


def _stdout() -> Any:
    return _apart[-1] if _apart else sys.stdout


def _write(text: str, err: bool) -> None:
    stream = sys.stderr if err else _stdout()
    if stream is not None:
        stream.write(encodable(text, getattr(stream, "encoding", None) or "utf-8"))
        stream.flush()


def confirm(question: str, *, err: bool = False) -> None:
    """Ask on the terminal whether to go on; anything but yes ends the command."""
    click.confirm(one_line(question), abort=True, err=err)


def agreed(question: str, *, err: bool = False) -> bool:
    """Ask on the terminal; anything but yes, also Ctrl-C, is no."""
    try:
        return click.confirm(one_line(question), err=err)
    except click.Abort:
        return False


def echo_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    echo_lines(json_document(document))


def json_document(document: Any) -> str:
    """Return one JSON document as text."""
    return json_text(document, indent=2, default=str)


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
        echo(path)


def left_out(problem: str) -> None:
    """Say on stderr what a listing leaves out and why."""
    echo(f"left out: {problem}", err=True)


def terminal_width() -> int | None:
    """Return the characters of a line, or None if stdout is not a terminal."""
    if "COLUMNS" in os.environ or _stdout().isatty():
        return shutil.get_terminal_size().columns
    return None
