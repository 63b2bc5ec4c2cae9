"""One job of a board: the function that every engine runs, wherever it runs it.

A job holds a lock beside its outcome's file while it works. The lock is free however the process ends, so another
process can take over the job of a dead one: it goes on with the same run from its newest checkpoint. The outcome is
published by a rename, and a record is looked for before it is made again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genkit.benchmark.jobs import runs_of
from genkit.benchmark.plan import Plan
from genkit.data import ImageDataset, open_dataset
from genkit.errors import GenkitError, GenkitWarning
from genkit.files.guard import by_user, sentence
from genkit.files.leases import MARK, are_leases, nothing
from genkit.files.lock_probe import why_no_locks
from genkit.files.locks import Held, Lock, lock_at, waiting
from genkit.files.reading import read_file
from genkit.files.writing import write_atomic
from genkit.registry.fence import no_exit
from genkit.results.jobs import Job, Outcome, lock_file, outcome
from genkit.training import distributed
from genkit.training.runs import Run, open_run

if TYPE_CHECKING:
    from genkit.evaluation.evaluator import Evaluator

ENDED, TAKEN, STOPPED = "ended", "taken", "stopped"
"""What a job returns: its outcome is published; another process has it; it was stopped and can be gone on with."""

_TRAIN = "train"
"""What the first of several processes has the others do."""

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2") if hasattr(signal, name)]
"""The signals that stop a job as Ctrl-C would: SIGUSR2 is what clusters send some time before they take a machine."""


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


class _Superseded(Exception):
    """Another process took the job over, as this one seemed to be dead."""


@contextlib.contextmanager
def holding_job(bench: BenchFolder, job: Job, on_lost: Callable[[], None] = nothing) -> Iterator[Lock]:
    """Hold the lock of a job; raises Held if another process has it, GenkitError if the file system gives none."""
    lock = lock_at(lock_file(bench.jobs, job), on_lost=on_lost)
    try:
        taken = lock.acquire()
    except OSError as error:
        raise GenkitError(
            f"{bench.jobs} gives {socket.gethostname()} no lock, {error.strerror or error}: once it does, the "
            "same command goes on"
        ) from error
    if not taken:
        raise Held
    try:
        yield lock
    finally:
        lock.release()


@dataclass(frozen=True)
class Work:
    """A job with all that its process must know; it is called once or more, in any process that sees the folder.

    In several processes that torchrun or a cluster started together, all train, and the first one does the rest.
    """

    plan: Plan
    job: Job
    bench: BenchFolder
    device: str = "auto"
    dataset_options: Mapping[str, Any] = field(default_factory=dict)
    track: tuple[str, ...] = ()

    def __call__(self) -> str:
        """Do the job, and return ENDED, TAKEN or STOPPED; whatever else goes wrong is its outcome."""
        if not self.bench.jobs.is_dir():
            raise GenkitError(
                f"{self.bench.jobs} is not there on {socket.gethostname()}: keep the board in a folder that all "
                "machines share, by --out"
            )
        with _stoppable(), _data_not_described():
            try:
                return self._in_one() if int(os.environ.get("WORLD_SIZE", "1")) == 1 else self._in_several()
            except Held:
                return TAKEN
            except KeyboardInterrupt:
                return STOPPED

    def _in_one(self) -> str:
        with self._locked() as lock:
            return self._done(lock)

    @distributed.joined()
    def _in_several(self) -> str:
        """Train with the other processes; the first one says whether there is something to do, and measures alone."""
        if distributed.rank():
            said = distributed.agree("")
            return self._trained_along() if said == _TRAIN else said
        with contextlib.ExitStack() as stack:
            said, lock = TAKEN, None
            try:
                with contextlib.suppress(Held):
                    lock = stack.enter_context(self._locked())
                    said = _TRAIN if outcome(self.bench.jobs, self.job) is None else ENDED
            finally:
                distributed.agree(said)  # also without locks here: nobody waits for ever
            return said if lock is None else self._done(lock)

    def _trained_along(self) -> str:
        """Train as one of the processes that are not the first; a failure is the first one's to publish."""
        try:
            self._trained(open_dataset(self.plan.dataset, **self.dataset_options))
        except BaseException as error:
            if by_user(error):
                return STOPPED
            raise
        return ENDED

    @contextlib.contextmanager
    def _locked(self) -> Iterator[Lock]:
        """Hold the job's lock; raises Held, or GenkitError where locks don't hold as they did on the first machine."""
        try:
            why = "" if are_leases(self.bench.jobs / "any") else why_no_locks(self.bench.jobs)
        except OSError as error:
            raise GenkitError(
                f"{self.bench.jobs} can't be written on {socket.gethostname()}: {error.strerror or error}"
            ) from error
        if why:
            raise GenkitError(
                f"locks in {self.bench.path} don't hold on {socket.gethostname()}: {why}; stop the board, make the "
                f"empty file {self.bench.path / MARK}, and begin it again"
            )
        with holding_job(self.bench, self.job, lambda: os.kill(os.getpid(), signal.SIGTERM)) as lock:
            yield lock

    def _done(self, lock: Lock) -> str:
        """Do the job unless it has an outcome, and publish how it ended."""
        if outcome(self.bench.jobs, self.job) is not None:
            return ENDED
        began = time.monotonic()
        try:
            with no_exit():  # of the model's code
                record = self._record(lock)
            ended = Outcome(self.job, "done", record=record)
        except _Superseded:
            return TAKEN
        except BaseException as error:
            if by_user(error):
                return TAKEN if lock.lost else STOPPED
            ended = Outcome(self.job, "failed", reason=sentence(error))
        if lock.lost or outcome(self.bench.jobs, self.job) is not None:
            return TAKEN
        took = round(time.monotonic() - began, 3)
        Outcome(self.job, ended.state, ended.record, ended.reason, took).publish(self.bench.jobs)
        if ended.record:  # a job that failed may have stored its record before: tried again, it makes no second one
            self._intent.unlink(missing_ok=True)
        return ENDED

    def _record(self, lock: Lock) -> str:
        """Train, resume or reuse the run of the job, measure it and return the name of its record."""
        from genkit.evaluation.calibration import calibrate
        from genkit.evaluation.evaluator import Evaluator

        data = open_dataset(self.plan.dataset, **self.dataset_options)
        trained = self._trained(data)
        with _one_process():
            evaluator = Evaluator(data, self.plan.eval_config(self.device))
            with waiting(self.bench.path / ".calibration.lock", "calibrates the board"):
                calibrate(evaluator, self.bench.path / "calibration")
            name = self._stored() or self._measured(trained, evaluator, lock)
            if self.plan.milestones:
                self._milestones(trained, evaluator)
        return name

    def _measured(self, trained: Run, evaluator: Evaluator, lock: Lock) -> str:
        """Measure a run and store its record, unless another process has taken over; return the record's name."""
        from genkit.evaluation.evaluate import measure_run, store_record

        measured = measure_run(trained, evaluator, trained.newest_checkpoint())
        if lock.lost or outcome(self.bench.jobs, self.job) is not None:
            raise _Superseded
        write_atomic(self._intent, measured.record.id.encode())
        return store_record(self.bench.path, measured, trained).name

    def _stored(self) -> str:
        """Return the name of the record that a process stored and then died, before it published the outcome."""
        try:
            record = read_file(self._intent).decode(errors="replace")
        except OSError:
            return ""
        return next((path.name for path in (self.bench.path / "records").glob(f"*-{record}.json")), "")

    @property
    def _intent(self) -> Path:
        """The file of the id of the record that is about to be stored."""
        return self.bench.jobs / f".{self.job.id}.record"

    def _milestones(self, trained: Run, evaluator: Evaluator) -> None:
        """Measure the milestones, after the last checkpoint. The job is done even if this fails."""
        from genkit.evaluation.milestones import measure_milestones

        try:
            measure_milestones(trained, evaluator, self.bench.path)
        except GenkitError as error:
            warnings.warn(str(error), GenkitWarning, stacklevel=2)

    def _trained(self, data: ImageDataset) -> Run:
        """Return the job's run: one that is finished, one gone on with, or a new one, the same in all processes."""
        from genkit.training.api import resume, train
        from genkit.training.settings import Settings

        job, settings = self.job, Settings(track=self.track)
        known = runs_of(job, self.bench.runs) if distributed.rank() == 0 else []
        found = next((run for run in reversed(known) if run.finished), known[-1] if known else None)
        path = distributed.agree(str(found.path) if found else "")
        if path:
            device = None if self.device == "auto" else self.device
            return resume(open_run(Path(path)), dataset=data, device=device, settings=settings)
        return train(
            f"{job.dist}:{job.model}",
            data,
            options=job.options,
            images=job.images,
            batch=job.batch,
            seed=job.seed,
            milestones=self.plan.milestones,
            allow_generated=self.plan.allow_generated,
            device=self.device,
            root=self.bench.runs,
            settings=settings,
        )


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Have SIGNALS raise KeyboardInterrupt; those that are ignored stay so, and the former handlers come back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    caught = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in caught:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in caught.items():
            signal.signal(number, handler)


def _stop(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _data_not_described() -> Iterator[None]:
    """Log nothing of how the data is read: that was said when the plan was made."""
    logger = logging.getLogger("genkit.data")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _one_process() -> Iterator[None]:
    """Hide that there are other processes: what they trained together is measured by one."""
    hidden = {name: os.environ.pop(name) for name in ("RANK", "WORLD_SIZE") if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
