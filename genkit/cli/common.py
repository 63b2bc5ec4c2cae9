"""What several commands share: options, completion, tables and JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from genkit.errors import UsageError
from genkit.registry.discovery import registry
from genkit.registry.specs import DatasetSpec, FeatureSpec, MetricSpec, ModelSpec, Spec

F = TypeVar("F", bound=Callable[..., Any])


def complete(kind: type[Spec]) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return a completion function over the registry's names of a kind."""

    def names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        offers = registry().offers(kind)
        return [CompletionItem(o.spec.name, help=o.spec.summary) for o in offers if o.spec.name.startswith(incomplete)]

    return names


complete_model = complete(ModelSpec)
complete_dataset = complete(DatasetSpec)
complete_feature = complete(FeatureSpec)
complete_metric = complete(MetricSpec)


def _run_folders(ctx: click.Context) -> Iterator[Path]:
    root = ctx.params.get("root") or Path(os.environ.get("GENKIT_RUNS", "runs"))
    return (file.parent for file in Path(root).glob("*/*/*/run.json"))


def complete_run(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a run's id, or its path once that is begun; reads no run, so it is quick."""
    names = {str(folder) if os.sep in incomplete else folder.name: str(folder) for folder in _run_folders(ctx)}
    return [CompletionItem(name, help=path) for name, path in sorted(names.items()) if name.startswith(incomplete)]


def complete_measured(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a data set that there are runs of."""
    names = sorted({folder.parent.parent.name for folder in _run_folders(ctx)})
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class Names(click.ParamType[list[str]]):
    """Names with commas between them; at least one."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """Return the names; fails with a usage error if there is none."""
        names = value if isinstance(value, list) else [part.strip() for part in str(value).split(",") if part.strip()]
        if not names:
            self.fail("it names nothing: give one name or more, or leave it out", param, ctx)
        return names


NAMES = Names()


class Weights(click.ParamType[dict[str, float]]):
    """Names with weights: ``fid=2,recall=1``."""

    name = "weights"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:
        """Return the weights by their names; fails with a usage error for what is no number."""
        if isinstance(value, dict):
            return value
        found: dict[str, float] = {}
        for name in NAMES.convert(value, param, ctx):
            key, _, weight = name.partition("=")
            try:
                found[key] = float(weight)
            except ValueError:
                self.fail(f"{name!r} is no weight: write it as fid=2", param, ctx)
        return found


WEIGHTS = Weights()


class ListingGroup(click.Group):
    """A group that lists when it is given no command: ``genkit runs --json`` is ``genkit runs list --json``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``list`` before options that are not the group's own."""
        flags = bool(args) and args[0].startswith("-") and args[0] not in ctx.help_option_names
        if (not args or flags) and not ctx.resilient_parsing:
            args = ["list", *args]
        return super().parse_args(ctx, args)


class RunsFolder(click.Path):
    """A folder of runs: a URL would become a folder of its name, as training writes to disks alone."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; raises UsageError for a URL."""
        from genkit.results.locations import is_url

        if is_url(value):
            takers = "genkit leaderboard, recommend and records"
            raise UsageError(f"{value} is a URL, and runs are kept in a folder: URLs are for {takers}")
        return super().convert(value, param, ctx)


runs_option = click.option(
    "--runs",
    "root",
    type=RunsFolder(path_type=Path, file_okay=False),
    default=Path("runs"),
    envvar="GENKIT_RUNS",
    show_default=True,
    show_envvar=True,
    help="Folder of runs and records.",
)
store_option = click.option(
    "--runs",
    "root",
    default="runs",
    envvar="GENKIT_RUNS",
    show_default=True,
    show_envvar=True,
    help="Folder, or URL, of runs and records.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
device_option = click.option(
    "--device", default="auto", envvar="GENKIT_DEVICE", show_default=True, help="auto, cpu, cuda, cuda:1 ..."
)
seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)

data_root_option = click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="GENKIT_DATA",
    show_envvar=True,
    help="Folder with downloaded data sets.",
)


def opening_options(function: F) -> F:
    """Add the options that say how images are read, which ``opening`` takes."""
    for option in reversed(
        (
            data_root_option,
            click.option("--size", type=click.IntRange(min=1), help="Resize images to this height and width."),
            click.option(
                "--crop",
                type=click.Choice(["center", "none"]),
                help="With --size: cut out the middle square (default), or squeeze the whole image.",
            ),
            click.option("--grey", is_flag=True, help="Convert colour images of folders and zips to grey."),
            click.option("--skip-bad", is_flag=True, help="Skip unreadable files and count them."),
        )
    ):
        function = option(function)
    return function


def dataset_options(function: F) -> F:
    """Add --dataset and the options that say how it is read."""
    return click.option(
        "--dataset",
        default="digits",
        envvar="GENKIT_DATASET",
        show_default=True,
        shell_complete=complete_dataset,
        help="digits, mnist, folder:PATH, zip:PATH, npz:PATH.",
    )(opening_options(function))


def trained_options(function: F) -> F:
    """Add --model, --run and --dataset, which pick a trained run: ``model``, ``run_id`` and ``dataset``."""
    for option in (
        click.option(
            "--dataset", shell_complete=complete_measured, help="With --model: the data set it was trained on."
        ),
        click.option(
            "--run", "run_id", metavar="RUN", shell_complete=complete_run, help="Use this run: its path or id."
        ),
        click.option("--model", shell_complete=complete_model, help="Use its newest finished run."),
    ):
        function = option(function)
    return function


def walk_options(grid: str) -> Callable[[F], F]:
    """Add --steps, --grid, --gif and --class, for pictures of walks through a latent space."""
    file = click.Path(path_type=Path, dir_okay=False)
    options = (
        click.option("--steps", type=click.IntRange(min=2), default=12, show_default=True, help="Images of a row."),
        click.option("--grid", type=file, default=Path(grid), show_default=True),
        click.option("--gif", type=file, help="Also write the rows as a GIF."),
        click.option("--class", "label", type=click.IntRange(min=0), help="Stay in this class (conditional models)."),
    )

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def opening(data_root: Path | None, size: int | None, crop: str | None, skip_bad: bool, grey: bool) -> dict[str, Any]:
    """Return only what was asked for, as arguments of open_dataset; raises UsageError for --crop without --size."""
    if crop and not size:
        raise UsageError("--crop goes with --size")
    asked = {"data_root": data_root, "size": size, "crop": crop, "skip_bad": skip_bad or None, "grey": grey or None}
    return {key: value for key, value in asked.items() if value is not None}


def refuse(ctx: click.Context, names: tuple[str, ...], reason: str) -> None:
    """Raise UsageError if one of these options stands on the command line: it would be ignored."""
    for param in ctx.command.params:
        if param.name in names and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{max(param.opts, key=len)} {reason}")


def left_out(problem: str) -> None:
    """Say on stderr what a listing passes over."""
    from genkit.report.text import plain

    click.echo(f"left out: {plain(problem)}", err=True)


def terminal_width() -> int | None:
    """Return how many letters fit into a line, or None where a program reads."""
    if "COLUMNS" in os.environ or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return None


def echo_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, indent=2, allow_nan=False, default=str))
