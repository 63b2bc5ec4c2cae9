"""genkit bench"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genkit.cli.common import RunsFolder, data_root_option, device_option, echo_json, json_option
from genkit.errors import GenkitError

if TYPE_CHECKING:
    from genkit.benchmark import Job, Outcome
    from genkit.benchmark.runner import BenchFolder


@click.command()
@click.argument("board", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out", type=RunsFolder(path_type=Path, file_okay=False), help="Folder of its runs and records; boards/NAME."
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Jobs at a time.")
@click.option("--dry-run", is_flag=True, help="List the jobs and how long they will take.")
@click.option("--retry", is_flag=True, help="Run jobs again that failed.")
@data_root_option
@device_option
@json_option
def command(
    board: Path,
    out: Path | None,
    workers: int,
    dry_run: bool,
    retry: bool,
    data_root: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Train and measure all models of a board's file, and rank them.

    What is done is left alone, so the same command goes on after any interruption, and two of them share the work.

    \b
    genkit bench benchmarks/boards/mnist.toml --dry-run
    genkit bench benchmarks/boards/mnist.toml
    """
    from genkit.benchmark import read_plan
    from genkit.benchmark.jobs import jobs
    from genkit.benchmark.runner import BenchFolder, run
    from genkit.cli.messages import show_messages
    from genkit.cli.opening import open_shown
    from genkit.results.jobs import outcome, outcomes

    plan = read_plan(board)
    how = {key: value for key, value in (("data_root", data_root), ("size", plan.size)) if value is not None}
    data = open_shown(plan.dataset, how)
    place = BenchFolder(out or Path("boards", board.stem))
    todo = list(jobs(plan, data))
    ended = [outcome(place.jobs, job) for job in todo]
    if dry_run:
        _dry_run(place, todo, ended, workers, as_json)
        return
    before = {job.id for job, how in zip(todo, ended, strict=True) if how is not None}
    began, count = time.monotonic(), 0

    def tell(job: Job, how: Outcome) -> None:
        nonlocal count
        count += 1
        text = how.reason or f"{how.seconds:,.0f} s"
        state = f"{how.state} before" if job.id in before and how.state == "done" else how.state
        click.echo(f"[{count}/{len(todo)}] {job.model} seed {job.seed}  {state}  {text}", err=True)

    run(
        plan,
        todo,
        place.folder,
        dataset_options=how,
        device=device,
        workers=workers,
        retry=retry,
        tell=tell,
        prepare=show_messages,
    )
    failed = [job for job in todo if (last := outcome(place.jobs, job)) is None or last.state == "failed"]
    click.echo(
        f"{len(todo) - len(failed)} jobs done, {len(failed)} failed, {time.monotonic() - began:,.0f} s", err=True
    )
    if len(failed) == len(todo):
        raise GenkitError(f"no job of {board} succeeded")
    listed = {job.id for job in todo}
    unlisted = [each for each in outcomes(place.folder) if each.record and each.job.id not in listed]
    if unlisted:
        names = ", ".join(sorted({each.job.model for each in unlisted}))
        held = "1 record" if len(unlisted) == 1 else f"{len(unlisted)} records"
        click.echo(
            f"{place.folder} also holds {held} of jobs that {board} no longer lists ({names}), "
            "and they are ranked too: another --out keeps them apart",
            err=True,
        )
    _show(place.folder, as_json)


def _dry_run(
    place: BenchFolder, todo: Sequence[Job], ended: Sequence[Outcome | None], workers: int, as_json: bool
) -> None:
    from genkit.benchmark.estimate import seconds, throughputs
    from genkit.report.text import table
    from genkit.results import store

    roots = (place.folder, os.environ.get("GENKIT_RUNS", "runs"))
    records = [record for root in roots for record in store.read(root).records]
    data = todo[0].dataset_sha256
    rates = throughputs(record for record in records if record.protocol.get("data", {}).get("sha256") == data)
    rows = [
        {
            "model": job.model,
            "seed": job.seed,
            "images": job.images,
            "state": how.state if how else "to do",
            "seconds": round(how.seconds if how else job.images / rates[job.model])
            if how or job.model in rates
            else None,
            "job": job.id,
        }
        for job, how in zip(todo, ended, strict=True)
    ]
    if as_json:
        echo_json(rows)
        return
    header = ["model", "seed", "images", "state", "seconds", "job"]
    cells = [
        [f"{row[key]:,}" if key == "images" else str(row[key] if row[key] is not None else "?") for key in header]
        for row in rows
    ]
    click.echo(table([header, *cells], right=(1, 2, 4)))
    missing = [job for job, how in zip(todo, ended, strict=True) if how is None]
    known, unknown = seconds(missing, rates)
    more = f", and {', '.join(unknown)}, which never ran here" if unknown else ""
    click.echo(f"{len(missing)} jobs to do: about {known / workers / 60:,.0f} minutes of training{more}", err=True)


def _show(folder: Path, as_json: bool) -> None:
    from genkit.cli.common import terminal_width
    from genkit.paths import write_atomic
    from genkit.report import markdown, tabular, text
    from genkit.report.leaderboard import leaderboard

    found = leaderboard(folder)
    write_atomic(folder / "board.md", (markdown.leaderboard(found.board) + "\n").encode())
    write_atomic(folder / "report.html", found.html().encode())
    if as_json:
        echo_json(tabular.document(found.board))
    else:
        click.echo(text.leaderboard(found.board, width=terminal_width()))
        click.echo(f"report {folder / 'report.html'}   next: genkit leaderboard --runs {folder} --why", err=True)
