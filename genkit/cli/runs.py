"""genkit runs"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genkit.cli.completions import complete_measured, complete_model, complete_run
from genkit.cli.help import ListingGroup, option
from genkit.cli.options import FILE, json_option, runs_option
from genkit.cli.output import confirm, echo, echo_json, echo_lines, left_out
from genkit.errors import GenkitError, UsageError
from genkit.files.text import json_value

if TYPE_CHECKING:
    from genkit.training.config import RunConfig
    from genkit.training.runs import Run
    from genkit.training.status import Status


@click.group(cls=ListingGroup)
@runs_option
def command(root: Path) -> None:
    """List, show, remove, export and import runs.

    Without a command it lists. --runs may stand before or after the command.
    """


@command.command("list")
@option("--model", shell_complete=complete_model, help="Only runs of this model.")
@option("--dataset", shell_complete=complete_measured, help="Only runs on this data set.")
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
        board = root / "runs"  # where genkit bench keeps them
        where = (
            f"but in {board}: --runs {board}" if board.is_dir() else "yet: genkit eval --model dcgan makes the first"
        )
        echo(f"no runs in {root} {where}", err=True)
        return
    rows = [["run", "state", "images", "seconds", "records", "made"]]
    for run in runs:
        status = run.status
        count = len(list((run.path / "records").glob("*.json")))
        made = run.config.created[:16].replace("T", " ")
        rows.append([str(run.path), status.state, f"{status.images:,}", f"{status.seconds:.0f}", str(count), made])
    echo_lines(table(rows, right=(2, 3, 4)))


@command.command()
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@json_option
@runs_option
def show(run_id: str, as_json: bool, root: Path) -> None:
    """Show a run's settings, its progress and its scores."""
    from genkit.report.text import scores, table
    from genkit.results.store import read
    from genkit.training.runs import find_run
    from genkit.training.tracking import followed_by

    run = find_run(root, run_id)
    if as_json:
        echo_json(_document(run))
        return
    config, status = run.config, run.status
    options, drawing = (
        ", ".join(f"{key}={value}" for key, value in each.items()) for each in (config.options, config.sampling)
    )
    rows = [
        ["model", f"{config.model} (from {config.dist} {config.version})"],
        ["options", options or "-"],
        *([["draws with", drawing]] if drawing else []),
        [
            "data",
            f"{config.dataset}: {config.summary}",
        ],
        ["budget", f"{config.budget}, batch {config.batch}, seed {config.seed}"],
        ["device", f"{config.device}, {config.precision}".removesuffix(", ")],
        *_processes(config, status),
        ["state", f"{status.state}: {status.images:,} images in {status.seconds:.0f} s {status.reason}".strip()],
        *([["warning", status.warning]] if status.warning else []),
        *([["trackers", ", ".join(trackers)]] if (trackers := followed_by(run)) else []),
        ["checkpoints", ", ".join(path.name for path in run.checkpoints()) or "-"],
        ["command", config.command],
    ]
    if (tuning := config.tuning) is not None:
        how = f"LoRA of rank {tuning.rank}" if tuning.method == "lora" else "all weights"
        prompt = f" as {json_value(tuning.prompt)}" if tuning.prompt else ""
        told = f"from run {tuning.run} to {tuning.images} images of {tuning.dataset}{prompt}, {how}"
        rows.insert(3, ["tuned", f"{told}, replay {tuning.replay:g}"])
    echo(run.path)
    echo_lines(table(rows, indent=2))
    for record in read(run.path).records:
        echo(f"measured {record.created[:16].replace('T', ' ')} UTC")
        echo_lines(scores(record))


def _processes(config: RunConfig, status: Status) -> list[list[str]]:
    """Return the row on the processes of a run, none if it has only one: how fast, and what of batch normalisation."""
    from genkit.training.progress import throughput

    if config.processes == 1:
        return []
    speed = throughput(status.images, status.seconds, config.processes) if status.seconds else ""
    norm = f"batch-norm statistics {config.batch_norm}" if config.batch_norm else ""
    return [["processes", ", ".join(filter(None, (str(config.processes), speed, norm)))]]


@command.command()
@click.argument("run_ids", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_run)
@option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@runs_option
def remove(run_ids: tuple[str, ...], yes: bool, root: Path) -> None:
    """Remove runs with their checkpoints and records."""
    from genkit.files.locks import Held, holding
    from genkit.training.runs import find_run

    if not yes and not sys.stdin.isatty():
        raise UsageError("runs are removed only after a question, and there is no terminal to ask on: give --yes")
    for run in [find_run(root, run_id) for run_id in run_ids]:
        if not yes:
            confirm(f"remove {run.path} with its checkpoints and records?")
        try:
            with holding(run.lock()):
                shutil.rmtree(run.path)
        except Held as error:
            raise GenkitError(f"run {run.path} is being trained: stop it first") from error
        except OSError as error:
            raise GenkitError(f"{run.path} can't be removed: {error.strerror or error}") from error
        echo(f"removed {run.path}")


@command.command("export")
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@click.argument("target", type=FILE)
@runs_option
def export(run_id: str, target: Path, root: Path) -> None:
    """Write a run's newest checkpoint and settings to one file."""
    from genkit.training.archive import export_run
    from genkit.training.runs import find_run

    echo(f"{export_run(find_run(root, run_id), target)}")


@command.command("import")
@click.argument("source", type=FILE)
@runs_option
def import_(source: Path, root: Path) -> None:
    """Make a run from an exported file."""
    from genkit.training.archive import import_run

    echo(f"{import_run(source, root).path}")


def _document(run: Run) -> dict[str, Any]:
    from genkit.training.tracking import followed_by

    return {
        "path": str(run.path),
        "id": run.id,
        **dataclasses.asdict(run.config),
        "status": dataclasses.asdict(run.status),
        "checkpoints": [str(path) for path in run.checkpoints()],
        "trackers": followed_by(run),
    }
