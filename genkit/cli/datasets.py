"""genkit datasets"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.completions import complete_dataset
from genkit.cli.data import opening_options, skipped_lines
from genkit.cli.help import ListingGroup, option
from genkit.cli.options import PNG, json_option
from genkit.cli.output import echo_json, echo_lines
from genkit.registry.discovery import registry
from genkit.registry.specs import DatasetSpec
from genkit.report.text import table

if TYPE_CHECKING:
    from genkit.data.facts import DatasetFacts

SHOWN = 40
"""Training images in the picture of a data set."""


@click.group(cls=ListingGroup)
def command() -> None:
    """List the data sets, or show one.

    Without a command it lists.
    """


@command.command("list")
@json_option
def list_datasets(as_json: bool) -> None:
    """List the data sets."""
    offers = registry().offers(DatasetSpec)
    if as_json:
        echo_json(
            [
                {
                    "name": o.spec.name,
                    "argument": o.spec.argument,
                    "summary": o.spec.summary,
                    "license": o.spec.license,
                    "plugin": o.plugin.dist,
                }
                for o in offers
            ]
        )
        return
    rows = [[f"{o.spec.name}:{o.spec.argument}" if o.spec.argument else o.spec.name, o.spec.summary] for o in offers]
    echo_lines(table(rows))


@command.command()
@click.argument("dataset", metavar="NAME", shell_complete=complete_dataset)
@option("--grid", type=PNG, section="Output", help="Also write the first training images as a picture.")
@opening_options
@json_option
def show(dataset: str, grid: Path | None, opening: dict[str, Any], as_json: bool) -> None:
    """Show what a data set, by name or path, was understood as.

    \b
    genkit datasets show digits
    genkit datasets show photos/ --size 64
    genkit datasets show scenes --grid scenes.png
    """
    from genkit.cli.progress import work_bar
    from genkit.data import describe_dataset, open_images

    with work_bar() as show_progress:
        data = open_images(dataset, progress=lambda done, total: show_progress("packing", done, total), **opening)
        found = describe_dataset(data)
    if grid is not None:
        from genkit.data.images import grid as laid_out
        from genkit.data.images import png
        from genkit.files.writing import write_atomic

        write_atomic(grid, png(laid_out(data.train.uint8(slice(SHOWN)), 10, width=1000)))
    if as_json:
        echo_json(found.to_json())
    else:
        echo_lines(_shown(found))


def _shown(found: DatasetFacts) -> str:
    channels, height, width = found.shape
    splits = ", ".join(f"{name} {count:,}" for name, count in found.splits.items())
    rows = [
        ["from", found.origin],
        ["shape", f"{channels}x{height}x{width} (channels x height x width)"],
        ["values", f"{found.values[0]} to {found.values[1]}, of {found.levels} levels"],
        ["splits", f"{splits} ({'its own' if found.own_splits else 'divided by content'})"],
        ["captions", f"{found.captions:,}, such as"] if found.captions else [],
        *(["", text] for text in found.examples),
        ["sha256", found.sha256],
        ["generated", f"{found.generated:,} ({found.generated_by})"] if found.generated else [],
        ["left out", f"{found.skipped:,} files"] if found.skipped else [],
        *(["", each] for each in skipped_lines(found.left_out)),
        *(["read as", note] for note in found.notes),
    ]
    parts = [str(found), table([row for row in rows if row], indent=2)]
    if found.classes:
        counts = [[name, *(f"{count:,}" for count in splits.values())] for name, splits in found.classes.items()]
        parts.append(table([["class", *found.splits], *counts], right=(1, 2), indent=2))
    return "\n".join(parts)
