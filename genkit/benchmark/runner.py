"""Run the jobs of a board that have not ended, by an engine: each once, whoever else runs them too."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genkit.benchmark.engine import Engine, EngineRequest, Future, Lost, make_engine, nothing
from genkit.benchmark.plan import Plan
from genkit.benchmark.progress import Progress
from genkit.benchmark.work import STOPPED, TAKEN, BenchFolder, Work
from genkit.errors import GenkitError, Interrupted, UsageError
from genkit.files.leases import LEASE, are_leases, use_leases
from genkit.files.lock_probe import why_no_locks
from genkit.files.locks import Held, holding, lock_at
from genkit.files.text import logger
from genkit.results.jobs import Job, Outcome, lock_file, outcome

_LOG = logger(__name__)

OnJob = Callable[[Job, Outcome], None]
"""Called with each job that is done or has failed, also with those that ended in an earlier call."""

AGAIN = 0.5
"""Seconds until a job that another process has is looked at again."""


def ignore(job: Job, ended: Outcome) -> None:
    """Do nothing."""


def always(count: int) -> bool:
    """Cancel what was submitted."""
    return True


def run_jobs(
    plan: Plan,
    todo: Sequence[Job],
    folder: Path,
    *,
    dataset_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    workers: int | None = None,
    retry: bool = False,
    on_job: OnJob = ignore,
    prepare: Callable[[], None] = nothing,
    engine: str = "local",
    engine_options: Mapping[str, Any] | None = None,
    cancel: Callable[[int], bool] = always,
    detach: bool = False,
) -> None:
    """Run the jobs that have not ended, and with ``retry`` those that failed; finished jobs are not repeated.

    ``dataset_options`` are passed to open_dataset. ``workers`` jobs run at a time: one if ``engine`` is "local", whose
    processes share the cores, else as many as the engine has room for. Several runners may work in one folder, by
    several engines: each does other jobs, and waits for the others' at the end. ``prepare``, which must be picklable,
    is called first in each job's process, for instance to set up logging. Where the file system of ``folder`` keeps no
    locks, leases are used, and that is logged.

    After Ctrl-C the jobs are cancelled: they save a checkpoint. If the engine has a queue that outlasts this process,
    ``cancel`` is called with the number of jobs in it, and they are left there if it returns False; with ``detach`` it
    is not asked, and they are left. Raises Interrupted after Ctrl-C, GenkitError if the folder can't be made,
    UnknownName or OptionsError for the engine, UsageError for ``detach`` with one that has no such queue.
    """
    bench = BenchFolder(folder)
    try:
        bench.jobs.mkdir(parents=True, exist_ok=True)
        _choose_locks(bench)
    except OSError as error:
        raise GenkitError(f"the board can't be kept in {folder}: {error.strerror or error}") from error
    if retry:
        for job in todo:
            ended = outcome(bench.jobs, job)
            if ended is not None and ended.state == "failed":
                (bench.jobs / f"{job.id}.json").unlink(missing_ok=True)
    options, own = dict(dataset_options or {}), folder.absolute() / "engines" / engine.replace(":", "-")
    made = make_engine(engine, EngineRequest(own, workers, dict(engine_options or {}), prepare))
    work = {job.id: Work(plan, job, BenchFolder(folder.absolute()), device, options) for job in todo}
    with contextlib.closing(made):
        if detach and not made.lasting:
            raise UsageError(f"the jobs of engine {engine} end with this command: leave --detach out")
        runner = _Runner(bench, engine, made, work, list(todo), on_job)
        try:
            runner.run()
        except KeyboardInterrupt:
            count = len(runner.working)
            if made.lasting and (detach or not cancel(count)):
                raise Interrupted(
                    f"jobs left with {engine}: {count}; the same command goes on with the board"
                ) from None
            runner.cancel()
            raise Interrupted(f"stopped; the same command resumes the board in {folder}") from None


def _choose_locks(bench: BenchFolder) -> None:
    """Have leases used where locks don't hold, for all machines and for good."""
    why = "" if are_leases(bench.jobs) else why_no_locks(bench.path)
    if why:
        use_leases(bench.path, why)
    if are_leases(bench.jobs):
        _LOG.warning(
            "locks don't hold in %s%s: leases are used, and the job of a machine that dies is free after %g s",
            bench.path,
            f", {why}" if why else "",
            LEASE,
        )


@dataclass
class _Runner:
    """What waits, and what the engine has."""

    bench: BenchFolder
    name: str
    engine: Engine
    work: Mapping[str, Work]
    waiting: list[Job]
    on_job: OnJob
    working: dict[Future, Job] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    """Why the process of a job ended without a word, by the job's id, while another process seemed to have the job."""
    until: dict[str, float] = field(default_factory=dict)
    """When a job that another process has is looked at again, by its id."""

    def run(self) -> None:
        """Run all jobs; raises KeyboardInterrupt also if a job was stopped from outside."""
        progress = Progress(self.bench, self.name)
        while self.waiting or self.working:
            for future in [each for each in self.working if each.done()]:
                self._finish(future, self.working.pop(future))
            self._submit()
            progress.show(self.working.values(), self.waiting)
            time.sleep(self.engine.pause)

    def cancel(self) -> None:
        """Stop what the engine has."""
        for future in self.working:
            future.cancel()

    def _submit(self) -> None:
        """Give the engine what it has room for; what another process has meanwhile ended or holds is not given."""
        room = len(self.waiting) if self.engine.limit is None else self.engine.limit - len(self.working)
        ready: list[Job] = []
        for job in list(self.waiting):
            if len(ready) >= room:
                break
            if self.until.get(job.id, 0.0) > time.monotonic():
                continue
            self.waiting.remove(job)
            ended = outcome(self.bench.jobs, job) or self._given_up(job)
            if ended is not None:
                self.on_job(job, ended)
            elif lock_at(lock_file(self.bench.jobs, job)).held():
                self._later(job)
            else:
                ready.append(job)
        if ready:
            given = self.engine.submit_all([(job.id, self.work[job.id]) for job in ready])
            self.working.update(zip(given, ready, strict=True))

    def _later(self, job: Job) -> None:
        self.until[job.id] = time.monotonic() + max(AGAIN, self.engine.pause)
        self.waiting.append(job)

    def _finish(self, future: Future, job: Job) -> None:
        said = ""
        try:
            said = future.result()
        except Lost as error:
            self.lost[job.id] = str(error)
        ended = outcome(self.bench.jobs, job)
        if ended is None and said == STOPPED:
            raise KeyboardInterrupt
        if ended is None and said != TAKEN:
            self.lost.setdefault(job.id, f"{self.name} ended it with {said!r}")
            ended = self._given_up(job)
        if ended is None:
            self._later(job)
            return
        self.on_job(job, ended)
        if ended.state == "failed" and future.log is not None:
            _LOG.info("the log of %s seed %d is %s", job.model, job.seed, future.log)

    def _given_up(self, job: Job) -> Outcome | None:
        """Publish for a process that was killed, unless another one has taken its job."""
        if job.id not in self.lost:
            return None
        with contextlib.suppress(Held), holding(lock_at(lock_file(self.bench.jobs, job))):
            ended = outcome(self.bench.jobs, job) or Outcome(job, "failed", reason=self.lost[job.id])
            ended.publish(self.bench.jobs)
            return ended
        return None
