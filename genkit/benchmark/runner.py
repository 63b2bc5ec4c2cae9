"""Running what is missing of a board: one process a job, no job twice, a dead runner's job taken up.

A job's process holds the lock of its file, which the system lets go however the process ends, and publishes how it
ended by a rename. Processes are forked from a server that has imported torch and done nothing else, so imports are paid
once; forked from a process that has computed, OpenMP's threads would be waited for that are not there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from genkit.benchmark.jobs import runs_of
from genkit.benchmark.plan import Plan
from genkit.data import ImageDataset, open_dataset
from genkit.errors import GenkitError, GenkitWarning, Interrupted
from genkit.results.jobs import Job, Outcome, lock_file, outcome
from genkit.training.runs import Run

if TYPE_CHECKING:
    from genkit.evaluation.evaluator import Evaluator

CONTEXT: Any = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["genkit.benchmark.runner", "genkit.training.api", "genkit.evaluation"])

Tell = Callable[[Job, Outcome], None]
"""Told of each job that is done or has failed, also of those that were before."""


@dataclass(frozen=True)
class BenchFolder:
    """Where a board's runs, records and outcomes lie."""

    folder: Path

    @property
    def runs(self) -> Path:
        """The root of the runs."""
        return self.folder / "runs"

    @property
    def jobs(self) -> Path:
        """The outcomes."""
        return self.folder / "jobs"


def _nothing() -> None:
    """Prepare nothing."""


def run(
    plan: Plan,
    todo: Sequence[Job],
    folder: Path,
    *,
    dataset_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    workers: int = 1,
    retry: bool = False,
    tell: Tell = lambda job, ended: None,
    prepare: Callable[[], None] = _nothing,
) -> None:
    """Run the jobs that have not ended yet, and with ``retry`` those that failed; what is done stays as it is.

    ``dataset_options`` are further arguments of open_dataset. Each of ``workers`` processes has its share of the cores.
    ``prepare`` is called first in each job's process and must be picklable; it can set up logging there.
    Another runner in the same folder does other jobs meanwhile; at the end this one waits for them. Raises Interrupted
    after Ctrl-C: jobs save and are gone on with next time.
    """
    place = BenchFolder(folder)
    try:
        place.jobs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenkitError(f"the board can't be kept in {folder}: {error.strerror or error}") from error
    waiting, working = list(todo), dict[BaseProcess, Job]()
    if retry:
        for job in todo:
            ended = outcome(place.jobs, job)
            if ended is not None and ended.state == "failed":
                (place.jobs / f"{job.id}.json").unlink(missing_ok=True)
    threads = max(1, (os.cpu_count() or 1) // workers)
    try:
        while waiting or working:
            for process in [each for each in working if not each.is_alive()]:
                process.join()
                _told(place, working.pop(process), process.exitcode, waiting, tell)
            while waiting and len(working) < workers:
                job = waiting.pop(0)
                ended = outcome(place.jobs, job)
                if ended is not None:
                    tell(job, ended)
                    continue
                process = CONTEXT.Process(
                    target=_work, args=(plan, job, dict(dataset_options or {}), place, device, threads, prepare)
                )
                process.start()
                working[process] = job
            time.sleep(0.05)
    except KeyboardInterrupt:
        for process in working:
            if process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)
        for process in working:
            process.join()
        raise Interrupted(f"stopped; the same command goes on with the board in {folder}") from None


TAKEN, STOPPED = 75, 130
"""Exit codes of a job's process: another runner has the job; it was stopped and will go on."""


def _told(place: BenchFolder, job: Job, code: int | None, waiting: list[Job], tell: Tell) -> None:
    ended = outcome(place.jobs, job)
    if ended is not None:
        tell(job, ended)
    elif code == TAKEN:
        waiting.append(job)
        time.sleep(0.5)
    elif code == STOPPED:
        raise KeyboardInterrupt
    else:  # it was killed, perhaps by a lack of memory: publish for it, unless somebody else has taken it up
        try:
            with FileLock(lock_file(place.jobs, job), timeout=0):
                reason = f"its process ended with code {code}, perhaps for lack of memory"
                ended = outcome(place.jobs, job) or Outcome(job, "failed", reason=reason)
                ended.publish(place.jobs)
                tell(job, ended)
        except Timeout:
            waiting.append(job)


def _work(
    plan: Plan,
    job: Job,
    dataset_options: dict[str, Any],
    place: BenchFolder,
    device: str,
    threads: int,
    prepare: Callable[[], None],
) -> None:
    """Do one job in a process of its own."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all; the runner passes it on, once
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    torch.set_num_threads(threads)
    prepare()
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    try:
        with FileLock(lock_file(place.jobs, job), timeout=0):
            if outcome(place.jobs, job) is not None:
                return
            began = time.monotonic()
            try:
                record = _record(plan, job, open_dataset(plan.dataset, **dataset_options), place, device)
                ended = Outcome(job, "done", record=record)
            except Interrupted:
                os._exit(STOPPED)
            except GenkitError as error:
                ended = Outcome(job, "failed", reason=str(error))
            except Exception as error:
                ended = Outcome(job, "failed", reason=" ".join(f"{type(error).__name__}: {error}".split()))
            Outcome(job, ended.state, ended.record, ended.reason, round(time.monotonic() - began, 3)).publish(
                place.jobs
            )
    except Timeout:
        os._exit(TAKEN)
    except KeyboardInterrupt:
        os._exit(STOPPED)


def _end_with_the_runner() -> None:
    """Stop this job, as Ctrl-C would, when its runner has died: nobody would be told of it."""
    runner = multiprocessing.parent_process()
    if runner is not None:
        multiprocessing.connection.wait([runner.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _record(plan: Plan, job: Job, data: ImageDataset, place: BenchFolder, device: str) -> str:
    """Train, or go on, or take what is trained; measure; return the record's name."""
    from genkit.evaluation.calibration import calibrate
    from genkit.evaluation.evaluate import measure_run, stored
    from genkit.evaluation.evaluator import Evaluator

    trained = _trained(job, plan.milestones, data, place, device)
    evaluator = Evaluator(data, plan.measuring(device))
    with FileLock(place.folder / ".calibration.lock"):
        calibrate(evaluator, place.folder / "calibration")
    name = stored(place.folder, measure_run(trained, evaluator, trained.newest_checkpoint())).name
    if plan.milestones:
        _milestones(trained, evaluator, place)
    return name


def _milestones(trained: Run, evaluator: Evaluator, place: BenchFolder) -> None:
    """Measure them after the last checkpoint, beside which alone they are earlier moments; without them it stands."""
    from genkit.evaluation.milestones import measure_milestones

    try:
        measure_milestones(trained, evaluator, place.folder)
    except GenkitError as error:
        warnings.warn(str(error), GenkitWarning, stacklevel=2)


def _trained(job: Job, milestones: int, data: ImageDataset, place: BenchFolder, device: str) -> Run:
    from genkit.training.api import resume, train

    known = runs_of(job, place.runs)
    finished = [run for run in known if run.finished]
    if finished:
        return finished[-1]
    if known:
        return resume(known[-1], dataset=data, device=None if device == "auto" else device)
    return train(
        f"{job.dist}:{job.model}",
        data,
        options=job.options,
        images=job.images,
        batch=job.batch,
        seed=job.seed,
        milestones=milestones,
        device=device,
        root=place.runs,
    )
