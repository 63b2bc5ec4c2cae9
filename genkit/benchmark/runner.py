"""Run the jobs of a board that have not ended, by an engine: each once, whoever else runs them too."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from genkit.benchmark.engine import Engine, EngineRequest, Future, Lost, find_engine, make_engine, nothing
from genkit.benchmark.plan import Plan
from genkit.benchmark.progress import Progress
from genkit.benchmark.work import ENDED, STOPPED, TAKEN, BenchFolder, Work, holding_job
from genkit.devices import launched
from genkit.errors import GenkitError, Interrupted, UsageError
from genkit.files.guard import blamed
from genkit.files.leases import LEASE, MARK, are_leases, use_leases
from genkit.files.lock_probe import why_no_locks
from genkit.files.locks import Held, lock_at
from genkit.files.text import logger
from genkit.results.jobs import Job, Outcome, lock_file, outcome
from genkit.training.tracking import asked_for

_LOG = logger(__name__)

R = TypeVar("R")

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
    track: Sequence[str] = (),
) -> None:
    """Run the jobs that have not ended, and with ``retry`` those that failed; finished jobs are not repeated.

    ``dataset_options`` are passed to open_dataset. ``workers`` jobs run at a time: one if ``engine`` is "local", whose
    processes share the cores, else as many as the engine has room for. Several runners may work in one folder, by
    several engines: each does other jobs, and waits for the others' at the end. ``prepare``, which must be picklable,
    is called first in each job's process, for instance to set up logging. Trackers ``track`` follow the runs, see
    genkit.training.settings. Where the file system of ``folder`` keeps no locks, leases are used, and that is logged.

    After Ctrl-C the jobs are cancelled: they save a checkpoint. If the engine has a queue that outlasts this process,
    ``cancel`` is called with the number of jobs in it, and they are left there if it returns False; with ``detach`` it
    is not asked, and they are left. Raises Interrupted after Ctrl-C, GenkitError if the folder can't be made or gives
    no locks, UnknownName, OptionsError or MissingError for the engine or a tracker, PluginError for an engine that is
    broken, UsageError for ``detach`` with one that has no such queue, and below torchrun.
    """
    if launched().world > 1:
        raise UsageError("each job of a board is a process of its own: run genkit bench without torchrun")
    asked_for(track)
    if detach and not find_engine(engine).lasting:
        raise _no_queue(engine)
    bench, whole = BenchFolder(folder), BenchFolder(folder.absolute())
    options, own = dict(dataset_options or {}), whole.path / "engines" / engine.replace(":", "-")
    work = {job.id: Work(plan, job, whole, device, options, tuple(track)) for job in todo}
    with _kept_in(folder):
        bench.jobs.mkdir(parents=True, exist_ok=True)
    request = EngineRequest(own, workers, dict(engine_options or {}), prepare)
    with contextlib.closing(make_engine(engine, request)) as made:
        if detach and not made.lasting:
            raise _no_queue(f"{engine} with these options")
        with _kept_in(folder):
            known = [(job, outcome(bench.jobs, job)) for job in todo]
            left = [job for job, ended in known if ended is None]
            again = [job for job, ended in known if retry and ended is not None and ended.state == "failed"]
            if left or again:  # a board that is done may be in a folder that can't be written
                _choose_locks(bench, left)
            for job in again:
                (bench.jobs / f"{job.id}.json").unlink(missing_ok=True)
        runner = _Runner(bench, engine, made, work, list(todo), on_job)
        try:
            runner.run()
        except KeyboardInterrupt:
            count = len(runner.working)
            if count and made.lasting and (detach or not cancel(count)):
                raise Interrupted(
                    f"jobs left with {engine}: {count}; the same command goes on with the board"
                ) from None
            runner.cancel()
            raise Interrupted(f"stopped; the same command resumes the board in {folder}") from None


def _no_queue(engine: str) -> UsageError:
    return UsageError(f"the jobs of engine {engine} end with this command: leave --detach out")


@contextlib.contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """Say of a folder that can't be written that no board can be kept there."""
    try:
        yield
    except OSError as error:
        raise GenkitError(f"the board can't be kept in {folder}: {error.strerror or error}") from error


def _choose_locks(bench: BenchFolder, left: Sequence[Job]) -> None:
    """Have leases used where locks don't hold, for all machines and for good; ``left`` are the jobs without outcome."""
    why = "" if are_leases(bench.jobs) else why_no_locks(bench.path)
    if why and any(lock_file(bench.jobs, job).exists() for job in left):
        raise GenkitError(
            f"locks don't hold in {bench.path}, {why}, but its jobs were begun with locks: see that no other process "
            f"works on the board, make the empty file {bench.path / MARK}, and begin it again"
        )
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
            for future in self._of_engine(lambda: [each for each in self.working if each.done()]):
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
            ended = self._ended(job) or self._given_up(job)
            if ended is not None:
                self.on_job(job, ended)
            elif not lock_at(lock_file(self.bench.jobs, job)).held():
                ready.append(job)
            elif (found := self._of_engine(lambda: self.engine.find(job.id))) is not None:  # noqa: B023 - called at once
                self.working[found] = job
            else:
                self._later(job)
        if ready:
            tasks = [(job.id, self.work[job.id]) for job in ready]
            given = self._of_engine(lambda: self.engine.submit_all(tasks))
            self.working.update(zip(given, ready, strict=True))

    def _of_engine(self, ask: Callable[[], R]) -> R:
        return blamed(f"engine {self.name!r} fails", ask)

    def _ended(self, job: Job) -> Outcome | None:
        """Return how a job ended, as a file system of several machines has it now: the folder is touched for that."""
        with contextlib.suppress(OSError):
            os.utime(self.bench.jobs)
        return outcome(self.bench.jobs, job)

    def _later(self, job: Job) -> None:
        self.until[job.id] = time.monotonic() + max(AGAIN, self.engine.pause)
        self.waiting.append(job)

    def _finish(self, future: Future, job: Job) -> None:
        said = ""
        try:
            said = self._of_engine(future.result)
        except Lost as error:
            self.lost[job.id] = str(error)
        ended = self._ended(job)
        if ended is None and said == STOPPED:
            raise KeyboardInterrupt
        if ended is None and said not in (TAKEN, ENDED):  # of one that has ended the outcome may not be seen here yet
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
        with contextlib.suppress(Held), holding_job(self.bench, job):
            ended = self._ended(job) or Outcome(job, "failed", reason=self.lost[job.id])
            ended.publish(self.bench.jobs)
            return ended
        return None
