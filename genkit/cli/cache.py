"""genkit cache"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from genkit.cli.help import ListingGroup, option
from genkit.cli.options import json_option
from genkit.cli.output import confirm, echo, echo_json, echo_lines
from genkit.errors import GenkitError, UsageError
from genkit.files.folders import CACHED, cache_dir
from genkit.files.temporaries import sweep, sweep_below
from genkit.report.text import table

KEPT = ("features", "weights")
"""Parts that are only cleared by name: they may cost hours, or be files that can't be downloaded."""


@click.group(cls=ListingGroup)
def command() -> None:
    """Show what the cache holds, or clear it.

    Without a command it shows.
    """


@command.command("list")
@json_option
def show(as_json: bool) -> None:
    """Show the cache's folder, and the files and bytes of each of its parts."""
    root = cache_dir().absolute()
    _sweep(root)
    sizes = {name: _size(root / name) for name in CACHED}
    if as_json:
        parts = [{"part": name, **sizes[name], "holds": holds} for name, holds in CACHED.items()]
        echo_json({"folder": str(root), "parts": parts})
        return
    echo(f"{root}")
    cells = [
        [name, f"{sizes[name]['files']:,} files", _bytes(sizes[name]["bytes"]), holds] for name, holds in CACHED.items()
    ]
    echo_lines(table(cells, right=(1, 2)))
    echo(f"clear with: genkit cache clear, or by part: genkit cache clear {next(iter(CACHED))}", err=True)


command.add_command(show, "show")


@command.command()
@click.argument("parts", nargs=-1, metavar="[PART]...")
@option("--yes", is_flag=True, help="Do not ask.")
def clear(parts: tuple[str, ...], yes: bool) -> None:
    """Remove what the cache holds: packed data, extracted features, downloaded data.

    Weights files and extractors trained here are only removed if named: genkit cache clear weights features
    """
    for part in parts:
        if part not in CACHED:
            raise UsageError(f"the cache has no part {part!r}: choose from {', '.join(CACHED)}")
    root = cache_dir().absolute()
    _sweep(root)
    chosen = [name for name in parts or CACHED if (parts or name not in KEPT) and (root / name).exists()]
    if not chosen:
        echo(f"{root} holds nothing to clear", err=True)
        return
    total = sum(_size(root / name)["bytes"] for name in chosen)
    if not yes:
        confirm(f"remove {', '.join(chosen)} from {root} ({_bytes(total)})?", err=True)
    for name in chosen:
        try:
            shutil.rmtree(root / name)
        except OSError as error:
            raise GenkitError(
                f"{root / name} can't be removed: {error.strerror or error}; check its permissions"
            ) from error
    echo(f"removed {_bytes(total)}", err=True)


def _sweep(root: Path) -> None:
    """Remove what killed processes left half written in the cache, and in the system's folder for temporary files."""
    freed = sum(sweep_below(root / name) for name in CACHED) + sweep(Path(tempfile.gettempdir()))
    if freed:
        echo(f"removed {_bytes(freed)} that killed processes had left", err=True)


def _size(folder: Path) -> dict[str, int]:
    """Return the number of files below a folder and their bytes; files that vanish meanwhile are left out."""
    sizes = []
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                sizes.append(path.stat().st_size)
        except OSError:
            continue
    return {"files": len(sizes), "bytes": sum(sizes)}


def _bytes(count: int) -> str:
    """Return a number of bytes in words: ``1.3 GB``."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
