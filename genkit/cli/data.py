"""Data sets on the command line: the options that say how they are read, and opening them with a progress bar."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.completions import complete_dataset
from genkit.cli.help import GENERAL, F, option, options
from genkit.cli.options import FOLDER
from genkit.cli.output import echo
from genkit.cli.parameters import SIZE, Filled
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

OPENING = (
    *("data_root", "size", "crop", "skip_bad", "grey", "labels", "glob", "values", "array", "max_pixels"),
    *("exclude_generated", "pack"),
)
"""The options that say how images are read: arguments of open_dataset."""

MOVABLE = ("data_root", "labels")
"""Those that say where something is, which a run's data may have changed."""


NAMED = 10
"""Skipped files that are named."""

_VERBOSE = "genkit.verbose"


def _keep_verbose(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.meta[_VERBOSE] = value


def skipped_lines(left_out: Sequence[str]) -> list[str]:
    """Return the skipped files with their reasons: all with --verbose, else the first and how many more there are."""
    ctx = click.get_current_context(silent=True)
    if len(left_out) <= NAMED or (ctx is not None and ctx.meta.get(_VERBOSE)):
        return list(left_out)
    return [*left_out[:NAMED], f"and {len(left_out) - NAMED:,} more: add -v to name all"]


def opening_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how images are read; the command gets those given as ``opening``.

    They are arguments of open_dataset.
    """

    @functools.wraps(function)
    def collected(*arguments: Any, **keywords: Any) -> Any:
        given = {name: keywords.pop(name) for name in OPENING}
        opening = {name: value for name, value in given.items() if value not in (None, False)}
        return function(*arguments, opening=opening, **keywords)

    return options(
        _data_root("Data"),
        option(
            "--size", type=SIZE, metavar="SIZE", section="Data", help="Resize images: 64, or 64x48 (height x width)."
        ),
        option(
            "--crop",
            type=click.Choice(["center", "none"]),
            section="Data",
            help="With --size: cut out the middle square (default), or squeeze the whole image.",
        ),
        option("--grey", is_flag=True, section="Data", help="Convert colour images to grey."),
        option("--skip-bad", is_flag=True, section="Data", help="Skip unreadable files and count them."),
        option(
            "-v",
            "--verbose",
            is_flag=True,
            expose_value=False,
            callback=_keep_verbose,
            section="Data",
            help="Name every skipped file with the reason, not only the first ten.",
        ),
        option(
            "--labels",
            type=Filled(),
            metavar="WHERE",
            section="Data",
            help="Where labels are read from: folders, none, or a FILE with a line per image.",
        ),
        option(
            "--glob",
            type=Filled(),
            metavar="PATTERN",
            section="Data",
            help="Read only files that match, e.g. '*_fake_B.png'.",
        ),
        option(
            "--range",
            "values",
            type=(float, float),
            metavar="LOW HIGH",
            section="Data",
            help="Values in the files that become black and white; default: those of the file's type.",
        ),
        option("--array", metavar="NAME", section="Data", help="The array of an .npz file that holds the images."),
        option("--max-pixels", type=click.IntRange(min=1), section="Data", help="Most pixels of one image."),
        option(
            "--exclude-generated",
            is_flag=True,
            section="Data",
            help="Leave out images whose metadata say that they are generated.",
        ),
        option(
            "--pack",
            type=click.Choice(["pixels", "encoded"]),
            section="Data",
            help="How images are kept in the cache: as pixels (default), or as in their files, and decoded when read.",
        ),
    )(collected)


def dataset_options(function: Callable[..., Any]) -> Callable[..., Any]:
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


def open_dataset(name: str, opening: dict[str, Any]) -> ImageDataset:
    """Open a data set with a progress bar while it is packed; say how many files were skipped."""
    from genkit.data import open_dataset

    return _opened_as_told(open_dataset, name, opening)


def open_images(name: str, opening: dict[str, Any]) -> ImageDataset:
    """Open images that are only measured, in the same way."""
    from genkit.data import open_images

    return _opened_as_told(open_images, name, opening)


def _opened_as_told(function: Callable[..., ImageDataset], name: str, opening: dict[str, Any]) -> ImageDataset:
    if "crop" in opening and "size" not in opening:
        raise UsageError("--crop goes with --size")
    return opened(function, name, **opening)


def opened(function: Callable[..., ImageDataset], *arguments: Any, **options: Any) -> ImageDataset:
    """Open a data set by any function that takes ``progress``; say on stderr what was understood."""
    from genkit.cli.progress import work_bar
    from genkit.data.summary import describe_data

    with work_bar() as show:
        data = function(*arguments, progress=lambda done, total: show("packing", done, total), **options)
    echo(f"{data.name}: {describe_data(data)}", err=True)
    if data.skipped:
        files = "1 bad file" if data.skipped == 1 else f"{data.skipped:,} bad files"
        echo(f"{data.name}: left out {files}", err=True)
        for each in skipped_lines(data.left_out):
            echo(f"  {each}", err=True)
    return data
