"""Run the jobs of a board that have not ended: each in its own process, none twice.

A job's process holds a lock on its outcome's file while it works. The system releases the lock however the process
ends, so another runner can take over the job of a dead one. The outcome is published by a rename. Processes are forked
from a server that has imported torch and done nothing else: imports are paid for once, and no child inherits OpenMP's
state without its threads, which would hang.
"""

from __future__ import annotations

import contextlib
import logging
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

from genkit.benchmark.jobs import runs_of
from genkit.benchmark.plan import Plan
from genkit.data import ImageDataset, open_dataset
from genkit.errors import GenkitError, GenkitWarning, Interrupted
from genkit.files.guard import by_user, sentence
from genkit.files.locks import Held, ProcessLock, holding, waiting
from genkit.registry.fence import no_exit
from genkit.results.jobs import Job, Outcome, lock_file, outcome
from genkit.training.runs import Run

if TYPE_CHECKING:
    from genkit.evaluation.evaluator import Evaluator

CONTEXT: Any = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["genkit.benchmark.runner", "genkit.training.api", "genkit.evaluation"])

OnJob = Callable[[Job, Outcome], None]
"""Called with each job that is done or has failed, also with those that ended in an earlier call."""


def ignore(job: Job, ended: Outcome) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class BenchFolder:
    """The folder of a board's runs, records and outcomes."""

    path: Path

    @property
    def runs(self) -> Path:
        """The folder of the runs."""
        return self.path / "runs"

    @property
    def jobs(self) -> Path:
        """The folder of the outcomes, one file per job."""
        return self.path / "jobs"


def nothing() -> None:
    """Prepare nothing."""


def run_jobs(
    plan: Plan,
    todo: Sequence[Job],
    folder: Path,
    *,
    dataset_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    workers: int = 1,
    retry: bool = False,
    on_job: OnJob = ignore,
    prepare: Callable[[], None] = nothing,
) -> None:
    """Run the jobs that have not ended, and with ``retry`` those that failed; finished jobs are not repeated.

    ``dataset_options`` are passed to open_dataset. The cores are shared among ``workers`` processes. Several runners
    may work in one folder: each does other jobs, and waits for the others' at the end. ``prepare``, which must be
    picklable, is called first in each job's process, for instance to set up logging. Raises Interrupted after Ctrl-C,
    when all jobs have saved a checkpoint, and GenkitError if the folder can't be made.
    """
    bench = BenchFolder(folder)
    try:
        bench.jobs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenkitError(f"the board can't be kept in {folder}: {error.strerror or error}") from error
    waiting, working = list(todo), dict[BaseProcess, Job]()
    if retry:
        for job in todo:
            ended = outcome(bench.jobs, job)
            if ended is not None and ended.state == "failed":
                (bench.jobs / f"{job.id}.json").unlink(missing_ok=True)
    threads = max(1, (os.cpu_count() or 1) // workers)
    try:
        while waiting or working:
            for process in [each for each in working if not each.is_alive()]:
                process.join()
                _finish(bench, working.pop(process), process.exitcode, waiting, on_job)
            while waiting and len(working) < workers:
                job = waiting.pop(0)
                ended = outcome(bench.jobs, job)
                if ended is not None:
                    on_job(job, ended)
                    continue
                process = CONTEXT.Process(
                    target=_work, args=(plan, job, dict(dataset_options or {}), bench, device, threads, prepare)
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
        raise Interrupted(f"stopped; the same command resumes the board in {folder}") from None


TAKEN, STOPPED = 75, 130
"""Exit codes of a job's process: another runner has the job; the job was stopped and can be resumed."""


def _finish(bench: BenchFolder, job: Job, code: int | None, waiting: list[Job], on_job: OnJob) -> None:
    ended = outcome(bench.jobs, job)
    if ended is not None:
        on_job(job, ended)
    elif code == TAKEN:
        waiting.append(job)
        time.sleep(0.5)
    elif code == STOPPED:
        raise KeyboardInterrupt
    else:  # it was killed, perhaps for lack of memory: publish for it, unless another runner has taken the job
        try:
            with holding(ProcessLock(lock_file(bench.jobs, job))):
                reason = f"its process ended with code {code}, perhaps for lack of memory"
                ended = outcome(bench.jobs, job) or Outcome(job, "failed", reason=reason)
                ended.publish(bench.jobs)
                on_job(job, ended)
        except Held:
            waiting.append(job)


def _work(
    plan: Plan,
    job: Job,
    dataset_options: dict[str, Any],
    bench: BenchFolder,
    device: str,
    threads: int,
    prepare: Callable[[], None],
) -> None:
    """Do one job, in its own process."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the runner passes it on once
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    torch.set_num_threads(threads)
    prepare()
    logging.getLogger("genkit.data").setLevel(logging.ERROR)  # how the data is read was said when the plan was made
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    try:
        with holding(ProcessLock(lock_file(bench.jobs, job))):
            if outcome(bench.jobs, job) is not None:
                return
            began = time.monotonic()
            try:
                with no_exit():  # of the model's code, with a code that stands for something here
                    record = _record(plan, job, open_dataset(plan.dataset, **dataset_options), bench, device)
                ended = Outcome(job, "done", record=record)
            except BaseException as error:
                if by_user(error):
                    os._exit(STOPPED)
                ended = Outcome(job, "failed", reason=sentence(error))
            Outcome(job, ended.state, ended.record, ended.reason, round(time.monotonic() - began, 3)).publish(
                bench.jobs
            )
    except Held:
        os._exit(TAKEN)
    except KeyboardInterrupt:
        os._exit(STOPPED)


def _stop(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _end_with_the_runner() -> None:
    """Stop this job, as Ctrl-C would, when its runner has died."""
    runner = multiprocessing.parent_process()
    if runner is not None:
        multiprocessing.connection.wait([runner.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _record(plan: Plan, job: Job, data: ImageDataset, bench: BenchFolder, device: str) -> str:
    """Train, resume or reuse the run of a job, measure it and return the name of its record."""
    from genkit.evaluation.calibration import calibrate
    from genkit.evaluation.evaluate import measure_run, store_record
    from genkit.evaluation.evaluator import Evaluator

    trained = _trained(job, plan, data, bench, device)
    evaluator = Evaluator(data, plan.eval_config(device))
    with waiting(bench.path / ".calibration.lock", "calibrates the board"):
        calibrate(evaluator, bench.path / "calibration")
    name = store_record(bench.path, measure_run(trained, evaluator, trained.newest_checkpoint()), trained).name
    if plan.milestones:
        _milestones(trained, evaluator, bench)
    return name


def _milestones(trained: Run, evaluator: Evaluator, bench: BenchFolder) -> None:
    """Measure the milestones, after the last checkpoint. The job is done even if this fails."""
    from genkit.evaluation.milestones import measure_milestones

    try:
        measure_milestones(trained, evaluator, bench.path)
    except GenkitError as error:
        warnings.warn(str(error), GenkitWarning, stacklevel=2)


def _trained(job: Job, plan: Plan, data: ImageDataset, bench: BenchFolder, device: str) -> Run:
    from genkit.training.api import resume, train

    known = runs_of(job, bench.runs)
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
        milestones=plan.milestones,
        allow_generated=plan.allow_generated,
        device=device,
        root=bench.runs,
    )
