"""genkit runs"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.common import (
    ListingGroup,
    complete_measured,
    complete_model,
    complete_run,
    echo_json,
    json_option,
    left_out,
    runs_option,
)

if TYPE_CHECKING:
    from genkit.training.runs import Run


@click.group(cls=ListingGroup)
def command() -> None:
    """List, show, remove, export and import runs.

    Without a command it lists, with the options of list.
    """


@command.command("list")
@click.option("--model", shell_complete=complete_model)
@click.option("--dataset", shell_complete=complete_measured)
@json_option
@runs_option
def list_runs(model: str | None, dataset: str | None, as_json: bool, root: Path) -> None:
    """List the runs, oldest first."""
    from genkit.report.text import table
    from genkit.training.runs import find_runs

    runs = list(find_runs(root, dataset=dataset, model=model, unreadable=left_out))
    if as_json:
        echo_json([_document(run) for run in runs])
        return
    if not runs:
        board = root / "runs"  # where genkit bench has them
        where = (
            f"but in {board}: --runs {board}" if board.is_dir() else "yet: genkit eval --model dcgan makes the first"
        )
        click.echo(f"no runs in {root} {where}", err=True)
        return
    rows = [["run", "state", "images", "seconds", "records", "made"]]
    for run in runs:
        status = run.status
        count = len(list((run.path / "records").glob("*.json")))
        made = run.config.created[:16].replace("T", " ")
        rows.append([str(run.path), status.state, f"{status.images:,}", f"{status.seconds:.0f}", str(count), made])
    click.echo(table(rows, right=(2, 3, 4)))


@command.command()
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@json_option
@runs_option
def show(run_id: str, as_json: bool, root: Path) -> None:
    """Show how a run was made, how far it is and what was measured."""
    from genkit.report.text import scores, table
    from genkit.results.store import read
    from genkit.training.runs import find_run

    run = find_run(root, run_id)
    if as_json:
        echo_json(_document(run))
        return
    config, status = run.config, run.status
    options = ", ".join(f"{key}={value}" for key, value in config.options.items()) or "-"
    rows = [
        ["model", f"{config.model} (from {config.dist} {config.version})"],
        ["options", options],
        [
            "data",
            f"{config.dataset} {'x'.join(map(str, config.data.shape))}, {config.data.num_train:,} training images",
        ],
        ["budget", f"{config.budget}, batch {config.batch}, seed {config.seed}"],
        ["state", f"{status.state}: {status.images:,} images in {status.seconds:.0f} s {status.reason}".strip()],
        ["checkpoints", ", ".join(path.name for path in run.checkpoints()) or "-"],
        ["command", config.command],
    ]
    click.echo(f"{run.path}\n{table(rows, indent=2)}")
    for record in read(run.path).records:
        click.echo(f"measured {record.created[:16].replace('T', ' ')} UTC\n{scores(record)}")


@command.command()
@click.argument("run_ids", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_run)
@click.option("-y", "--yes", is_flag=True, help="Do not ask; where there is no terminal, nobody can be asked.")
@runs_option
def remove(run_ids: tuple[str, ...], yes: bool, root: Path) -> None:
    """Remove runs with their checkpoints and records."""
    from filelock import FileLock, Timeout

    from genkit.errors import GenkitError, UsageError
    from genkit.training.runs import find_run

    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody can be asked whether to remove runs, as there is no terminal: give --yes")
    for run in [find_run(root, run_id) for run_id in run_ids]:
        if not yes:
            click.confirm(f"remove {run.path} with its checkpoints and records?", abort=True)
        try:
            with FileLock(run.path / ".lock-0", timeout=0):
                shutil.rmtree(run.path)
        except Timeout as error:
            raise GenkitError(f"run {run.path} is being trained: stop it first") from error
        except OSError as error:
            raise GenkitError(f"{run.path} can't be removed: {error.strerror or error}") from error
        click.echo(f"removed {run.path}")


@command.command("export")
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@runs_option
def export(run_id: str, target: Path, root: Path) -> None:
    """Write a run's newest checkpoint and how it was made to one file."""
    from genkit.training.archive import export_run
    from genkit.training.runs import find_run

    click.echo(f"{export_run(find_run(root, run_id), target)}")


@command.command("import")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@runs_option
def import_(source: Path, root: Path) -> None:
    """Make a run of an exported file."""
    from genkit.training.archive import import_run

    click.echo(f"{import_run(source, root).path}")


def _document(run: Run) -> dict[str, Any]:
    return {
        "path": str(run.path),
        "id": run.id,
        **dataclasses.asdict(run.config),
        "status": dataclasses.asdict(run.status),
        "checkpoints": [str(path) for path in run.checkpoints()],
    }
