"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from genkit.cli.completions import complete_measured, complete_model, complete_run, complete_tracker
from genkit.cli.help import F, Option, option, options
from genkit.cli.parameters import NAMES, Address, FilledPath, PictureFile, RunsFolder
from genkit.errors import UsageError
from genkit.files.text import quoted

if TYPE_CHECKING:
    from genkit.training.runs import Run

FILE = FilledPath(path_type=Path, dir_okay=False)
PNG = PictureFile(".png")
GIF = PictureFile(".gif")
FOLDER = FilledPath(path_type=Path, file_okay=False)
PATH = FilledPath(path_type=Path)


class RunsOption(Option):
    """``--runs``; of a subcommand, the group's if it stands there: ``genkit runs --runs DIR show ID``."""

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Return the value and its source: own flag, the group's flag, environment, settings, default."""
        value, source = super().consume_value(ctx, opts)
        group = ctx.parent
        if group is not None and "root" in group.params and source is not ParameterSource.COMMANDLINE:
            groups = group.get_parameter_source("root")
            if groups is ParameterSource.COMMANDLINE or source is ParameterSource.DEFAULT:
                return group.params["root"], groups or source
        return value, source


def _runs_option(help: str, type: click.ParamType[Any] | None = None) -> Callable[[F], F]:
    return option(
        "--runs",
        "root",
        cls=RunsOption,
        type=type,
        default="runs",
        envvar="GENKIT_RUNS",
        show_default=True,
        show_envvar=True,
        help=help,
    )


runs_option = _runs_option("Folder of runs and records.", RunsFolder(path_type=Path, file_okay=False))
store_option = _runs_option("Folder or URL of runs and records.", Address())
json_option = option("--json", "as_json", is_flag=True, help="Print one JSON document.")
device_option = option(
    "--device", default="auto", envvar="GENKIT_DEVICE", show_default=True, help="auto, cpu, cuda, cuda:1, mps ..."
)
seed_option = option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed.")

track_option = option(
    "--track",
    type=NAMES,
    shell_complete=complete_tracker,
    help="Send curves and pictures to these trackers, e.g. tensorboard,wandb,mlflow (plugin genkit-trackers).",
)
no_metadata_option = option("--no-metadata", is_flag=True, help="Do not write into PNG files where they are from.")


def trained_options(function: F) -> F:
    """Add --model, --run, --checkpoint and --dataset, which pick a trained run.

    They are the arguments ``model``, ``run_id``, ``checkpoint`` and ``dataset`` of ``genkit.cli.trained``.
    """
    return options(
        option("--model", shell_complete=complete_model, section="Model", help="Use its newest finished run."),
        option(
            "--run",
            "run_id",
            metavar="RUN",
            shell_complete=complete_run,
            section="Model",
            help="Use this run, by path or id.",
        ),
        option("--checkpoint", type=FILE, section="Model", help="Use this checkpoint of a run."),
        option(
            "--dataset",
            shell_complete=complete_measured,
            section="Model",
            help="With --model: the data set it was trained on. Also the place of the run's data, if that was moved.",
        ),
    )(function)


def walk_options(grid: str) -> Callable[[F], F]:
    """Add --steps, --grid, --gif and --class, for pictures of walks through a latent space."""
    return options(
        option(
            "--steps",
            type=click.IntRange(min=2),
            default=12,
            show_default=True,
            section="Output",
            help="Images per row.",
        ),
        option("--grid", type=PNG, default=Path(grid), show_default=True, section="Output", help="Output image."),
        option("--gif", type=GIF, section="Output", help="Also write the rows as an animated GIF."),
        option("--class", "label", metavar="CLASS", help="Stay in this class, by name or number (conditional models)."),
    )


def refuse(ctx: click.Context, names: tuple[str, ...], reason: str) -> None:
    """Raise UsageError if one of these options was given on the command line, where it would be ignored."""
    for param in ctx.command.params:
        if param.name in names and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{max(param.opts, key=len)} {reason}")


def same_runs(run: Run | None = None) -> str:
    """Return `` --runs DIR`` for the next command, if this one was given it or its run lies elsewhere."""
    ctx = click.get_current_context()
    if run is not None and Path(ctx.params["root"]).absolute() not in run.path.absolute().parents:
        return f" --runs {quoted(run.store)}"
    stated = ctx.get_parameter_source("root") is ParameterSource.COMMANDLINE
    return f" --runs {quoted(ctx.params['root'])}" if stated else ""


def given(ctx: click.Context, name: str, value: Any) -> Any:
    """Return an option's value if it stands on the command line, else None: a default or the environment is no wish."""
    return value if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE else None
