"""genkit bench"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genkit.cli.data import data_root_option, open_dataset
from genkit.cli.help import Command, option
from genkit.cli.options import FILE, device_option, track_option
from genkit.cli.output import agreed, echo, echo_json, echo_lines, terminal_width
from genkit.cli.parameters import RunsFolder
from genkit.errors import GenkitError
from genkit.files.text import quoted

if TYPE_CHECKING:
    from genkit.benchmark import Benchmark, Job, Outcome


@click.command(cls=Command)
@click.argument("board", type=FILE)
@option(
    "--workers",
    type=click.IntRange(min=1),
    section="Jobs",
    help="Jobs to run at the same time: 1 by default, on a cluster as many as there is room for.",
)
@option("--retry", is_flag=True, section="Jobs", help="Run failed jobs again.")
@option("--dry-run", is_flag=True, section="Jobs", help="List the jobs and estimate their time.")
@option(
    "--engine",
    default="local",
    show_default=True,
    section="Engine",
    help="What runs the jobs: local, or slurm and ray of the plugins genkit-slurm and genkit-ray.",
)
@option(
    "-e",
    "--engine-option",
    "engine_options",
    multiple=True,
    metavar="KEY=VALUE",
    section="Engine",
    help="Option of the engine, such as slurm_partition=gpu; may be repeated.",
)
@option("--detach", is_flag=True, section="Engine", help="Leave the jobs in the cluster's queue after Ctrl-C, unasked.")
@option(
    "--out",
    type=RunsFolder(path_type=Path, file_okay=False),
    section="Output",
    help="Folder of the board's runs and records; boards/NAME by default.",
)
@option("--json", "as_json", is_flag=True, section="Output", help="Print one JSON document.")
@data_root_option
@device_option
@track_option
def command(
    board: Path,
    out: Path | None,
    workers: int | None,
    dry_run: bool,
    retry: bool,
    engine: str,
    engine_options: tuple[str, ...],
    detach: bool,
    data_root: Path | None,
    device: str,
    track: list[str] | None,
    as_json: bool,
) -> None:
    """Train, evaluate and rank all models of a board file.

    Finished jobs are kept: after an interruption the same command resumes, and two such processes share the jobs.

    \b
    genkit bench benchmarks/boards/mnist.toml --dry-run
    genkit bench benchmarks/boards/mnist.toml
    genkit bench board.toml --engine slurm -e slurm_partition=gpu
    """
    from genkit.benchmark import open_benchmark
    from genkit.benchmark.engine import find_engine
    from genkit.cli.messages import jobs_described, show_messages
    from genkit.options import parse_assignments
    from genkit.report import tabular, text

    benchmark = open_benchmark(
        board,
        out=out,
        data_root=data_root,
        opener=lambda name, **options: open_dataset(name, options),
    )
    chosen, terminal = parse_assignments(engine_options), _on_terminal()
    find_engine(engine)
    if dry_run:
        _dry_run(benchmark, workers or 1, as_json)
        return
    before = {ended.job.id for ended in benchmark.outcomes if ended is not None}
    began, total, count = time.monotonic(), len(benchmark.jobs), 0

    def on_job(job: Job, ended: Outcome) -> None:
        nonlocal count
        count += 1
        detail = ended.reason or f"{ended.seconds:,.0f} s"
        state = f"{ended.state} before" if job.id in before and ended.state == "done" else ended.state
        echo(f"[{count}/{total}] {job.model} seed {job.seed}  {state}  {detail}", err=True)

    try:
        with jobs_described():
            ranked = benchmark.run(
                device=device,
                workers=workers,
                retry=retry,
                on_job=on_job,
                prepare=show_messages,
                engine=engine,
                engine_options=chosen,
                cancel=lambda waiting: _cancelled(waiting, engine, terminal),
                detach=detach,
                track=track or (),
            )
    finally:
        if count == total:
            failed = len(benchmark.failed)
            echo(f"{total - failed} jobs done, {failed} failed, {time.monotonic() - began:,.0f} s", err=True)
    _warn_of_unlisted(benchmark)
    if as_json:
        echo_json(tabular.document(ranked.board))
    else:
        folder = benchmark.folder.path
        echo_lines(text.leaderboard(ranked.board, width=terminal_width()))
        echo(f"report {folder / 'report.html'}   next: genkit leaderboard --runs {quoted(folder)} --why", err=True)
    if benchmark.failed:
        raise GenkitError(f"{len(benchmark.failed)} of {total} jobs failed: --retry runs them again")


def _on_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _cancelled(count: int, engine: str, terminal: bool) -> bool:
    """Ask whether to cancel what is in the queue of a cluster.

    A command that had no ``terminal`` to ask on cancels it; one whose terminal was closed leaves it.
    """
    if not _on_terminal():
        return not terminal
    question = f"cancel the jobs that {engine} has ({count})? If not, they go on, and the same command finds them"
    return agreed(question, err=True)


def _warn_of_unlisted(benchmark: Benchmark) -> None:
    unlisted = benchmark.unlisted
    if unlisted:
        names = ", ".join(sorted({each.job.model for each in unlisted}))
        records = "1 record" if len(unlisted) == 1 else f"{len(unlisted)} records"
        echo(
            f"{benchmark.folder.path} also holds {records} of jobs that {benchmark.file} no longer lists ({names}); "
            "they are ranked too: use another --out to keep them separate",
            err=True,
        )


def _own_options(job: Job, jobs: Sequence[Job]) -> str:
    """Return the settings in which a job differs from others of its model."""
    alike = [{**other.options, "batch": other.batch} for other in jobs if other.model == job.model]
    own = {**job.options, "batch": job.batch}
    differ = [name for name in own if any(other.get(name) != own[name] for other in alike)]
    return ", ".join(f"{name}={own[name]}" for name in differ)


def _dry_run(benchmark: Benchmark, workers: int, as_json: bool) -> None:
    from genkit.benchmark.estimate import seconds
    from genkit.report.text import table

    rates = benchmark.throughputs([os.environ.get("GENKIT_RUNS", "runs")])
    listed = list(zip(benchmark.jobs, benchmark.outcomes, strict=True))
    rows = [
        {
            "model": job.model,
            "seed": job.seed,
            "images": job.images,
            "state": ended.state if ended else "to do",
            "seconds": round(ended.seconds if ended else job.images / rates[job.model])
            if ended or job.model in rates
            else None,
            "job": job.id,
        }
        for job, ended in listed
    ]
    if as_json:
        echo_json(rows)
        return
    header = ["model", "seed", "images", "state", "seconds", "job", "options"]
    cells = [
        [f"{row[key]:,}" if key == "images" else str(row[key] if row[key] is not None else "?") for key in header[:-1]]
        for row in rows
    ]
    apart = [[*row, _own_options(job, benchmark.jobs)] for row, job in zip(cells, benchmark.jobs, strict=True)]
    echo_lines(table([header, *apart], right=(1, 2, 4)))
    missing = [job for job, ended in listed if ended is None]
    known, unknown = seconds(missing, rates)
    more = f", and {', '.join(unknown)}, which never ran here" if unknown else ""
    failed = sum(ended is not None and ended.state == "failed" for ended in benchmark.outcomes)
    again = f", {failed} failed (--retry runs them again)" if failed else ""
    echo(f"{len(missing)} jobs to do{again}: about {known / workers / 60:,.0f} minutes of training{more}", err=True)
