"""Many tiny jobs, each submitted twice, while workers and the driver are killed: how many runs and records come of it.

    python benchmarks/scale/jobs.py local
    python benchmarks/scale/jobs.py submitit
    python benchmarks/scale/jobs.py ray
    benchmarks/scale/slurm.sh python benchmarks/scale/jobs.py slurm --requeues 5

Each job trains a dense VAE on 640 digits and measures one score. A driver runs the board with every job listed twice.
While it does, processes that hold a job's lock are killed by SIGKILL, and half-way the driver is, too; it is begun
again, with ``retry``, until every job has a record. Linux only: who holds a lock is read from /proc.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ENGINES: dict[str, tuple[str, dict[str, Any]]] = {
    "local": ("local", {}),
    "submitit": ("slurm", {"cluster": "local"}),
    "ray": ("ray", {"address": "local", "max_retries": 0}),
    "slurm": ("slurm", {"timeout_min": 30, "cpus_per_task": 1}),
}
"""The engine of each way, and its options. Ray tries nothing again by itself here, so that each kill is the board's."""


def plan_and_jobs(count: int) -> tuple[Any, list[Any]]:
    """Return the plan, and its jobs: one for each seed."""
    from genkit.benchmark import Plan
    from genkit.benchmark.jobs import jobs
    from genkit.benchmark.plan import Entry
    from genkit.data import open_dataset

    plan = Plan("digits", [Entry("vae")], seeds=list(range(count)), images=640, metrics=["mse"], count=50)
    return plan, list(jobs(plan, open_dataset("digits")))


def drive(way: str, folder: Path, count: int, workers: int) -> None:
    """Run the board with every job listed twice."""
    from genkit.benchmark import run_jobs

    plan, todo = plan_and_jobs(count)
    engine, options = ENGINES[way]
    run_jobs(
        plan,
        [*todo, *todo],
        folder,
        device="cpu",
        workers=None if way == "slurm" else workers,
        retry=True,
        engine=engine,
        engine_options=options,
    )


def holders(folder: Path) -> list[int]:
    """Return the processes that have a job's lock open, but this one and the driver, which only look."""
    found = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            opened = [os.readlink(each) for each in (process / "fd").iterdir()]
        except OSError:
            continue
        if any(name.startswith(f"{folder}/jobs/.") and name.endswith(".lock") for name in opened):
            found.add(int(process.name))
    return sorted(found)


def done(folder: Path) -> int:
    """Return how many jobs have a record."""
    from genkit.benchmark import outcomes

    return sum(bool(each.record) for each in outcomes(folder))


def requeue() -> bool:
    """Have Slurm requeue a running job; whether there was one."""
    command = ["squeue", "--me", "--noheader", "--array", "--states=RUNNING", "--format=%i"]
    running = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    chosen = ["scontrol", "requeue", random.choice(running)] if running else ["false"]
    return subprocess.run(chosen, capture_output=True, check=False).returncode == 0


def main() -> None:
    """Run a board through all of it, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=ENGINES)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--requeues", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the board is kept; by default a temporary one, removed")
    parser.add_argument("--drive", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="genkit-scale-"))).resolve()
    if given.drive:
        drive(given.way, folder, given.jobs, given.workers)
        return
    random.seed(0)
    began = time.monotonic()
    command = [sys.executable, __file__, given.way, "--drive", "--folder", str(folder)]
    command += ["--jobs", str(given.jobs), "--workers", str(given.workers)]
    killed = drivers = requeued = 0
    driver_killed = False
    while (ended := done(folder) if folder.exists() else 0) < given.jobs and drivers < given.jobs:
        driver, drivers = subprocess.Popen(command), drivers + 1
        while driver.poll() is None:
            time.sleep(0.3)  # looking costs the jobs little
            ended = done(folder)
            if killed < given.kills and ended >= killed * given.jobs // (given.kills + 2):
                workers = [each for each in holders(folder) if each != driver.pid]
                if workers:
                    os.kill(random.choice(workers), signal.SIGKILL)
                    killed += 1
            if requeued < given.requeues and ended >= requeued * given.jobs // (given.requeues + 2):
                requeued += requeue()
            if not driver_killed and ended >= given.jobs // 2:
                driver.kill()
                driver_killed = True
    print(f"{given.way}: {given.jobs} jobs, each submitted twice; {killed} workers killed, the driver ", end="")
    print(f"{'once' if driver_killed else 'never'}, {requeued} requeued, begun {drivers} times")
    found = report(folder, time.monotonic() - began)
    if given.folder is None:
        shutil.rmtree(folder, ignore_errors=True)  # Slurm may still write its logs there
    sys.exit(set(found) != {given.jobs})


def report(folder: Path, seconds: float) -> tuple[int, int, int, int]:
    """Print and return how many runs, finished runs, records and jobs with a record there are."""
    from genkit.results import store
    from genkit.training.runs import find_runs

    runs = list(find_runs(folder / "runs"))
    finished = sum(run.finished for run in runs)
    records = [record for record in store.read(folder).records if record.training]
    ended = done(folder)
    print(f"{len(runs)} runs, {finished} finished; {len(records)} records; {ended} jobs done; {seconds:,.0f} s")
    return len(runs), finished, len(records), ended


if __name__ == "__main__":
    main()
