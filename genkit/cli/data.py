"""Data sets on the command line: the options that say how they are read, and opening them with a progress bar."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.completions import complete_dataset
from genkit.cli.help import GENERAL, F, option, options
from genkit.cli.options import FOLDER
from genkit.errors import UsageError

if TYPE_CHECKING:
    from genkit.data import ImageDataset


def _data_root(section: str = GENERAL) -> Callable[[F], F]:
    return option(
        "--data-root",
        type=FOLDER,
        envvar="GENKIT_DATA",
        show_envvar=True,
        section=section,
        help="Folder of downloaded data sets.",
    )


data_root_option = _data_root()


def opening_options(function: F) -> F:
    """Add the options that say how images are read; ``opening_from`` collects them."""
    return options(
        _data_root("Data"),
        option("--size", type=click.IntRange(min=1), section="Data", help="Resize images to this height and width."),
        option(
            "--crop",
            type=click.Choice(["center", "none"]),
            section="Data",
            help="With --size: cut out the middle square (default), or squeeze the whole image.",
        ),
        option("--grey", is_flag=True, section="Data", help="Convert colour images of folders and zips to grey."),
        option("--skip-bad", is_flag=True, section="Data", help="Skip unreadable files and count them."),
    )(function)


def dataset_options(function: F) -> F:
    """Add --dataset and the options that say how it is read."""
    return options(
        option(
            "--dataset",
            default="digits",
            envvar="GENKIT_DATASET",
            show_default=True,
            shell_complete=complete_dataset,
            section="Data",
            help="digits, mnist, folder:PATH, zip:PATH, npz:PATH.",
        ),
        opening_options,
    )(function)


def opening_from(
    data_root: Path | None, size: int | None, crop: str | None, skip_bad: bool, grey: bool
) -> dict[str, Any]:
    """Return the options that were given, as arguments of open_dataset; raises UsageError for --crop without --size."""
    if crop and not size:
        raise UsageError("--crop goes with --size")
    given = {"data_root": data_root, "size": size, "crop": crop, "skip_bad": skip_bad or None, "grey": grey or None}
    return {key: value for key, value in given.items() if value is not None}


def open_dataset(name: str, opening: dict[str, Any]) -> ImageDataset:
    """Open a data set with a progress bar while it is packed; say how many files were skipped."""
    from genkit.data import open_dataset

    return _opened(open_dataset, name, opening)


def open_images(name: str, opening: dict[str, Any]) -> ImageDataset:
    """Open images that are only measured, in the same way."""
    from genkit.data import open_images

    return _opened(open_images, name, opening)


def _opened(function: Callable[..., ImageDataset], name: str, opening: dict[str, Any]) -> ImageDataset:
    from genkit.cli.progress import work_bar

    with work_bar() as show:
        data = function(name, progress=lambda done, total: show("packing", done, total), **opening)
    if data.skipped:
        files = "1 bad file" if data.skipped == 1 else f"{data.skipped:,} bad files"
        click.echo(f"{data.name}: left out {files}", err=True)
    return data
