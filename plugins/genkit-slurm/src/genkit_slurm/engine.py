"""The engine: jobs of a board as jobs of Slurm, submitted by submitit as an array.

submitit's two other executors serve for tries: ``-e cluster=local`` (processes of this machine, by the same protocol)
and ``-e cluster=debug`` (this process, one job after the other).
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedSubmissionError, pickle_load

from genkit.benchmark.engine import Engine, EngineRequest, Lost, Task, refuse_options
from genkit.errors import GenkitError, OptionsError
from genkit.files.text import logger
from genkit_slurm.local import deaf_to_ctrl_c, stop, terminate
from genkit_slurm.queue import Queue
from genkit_slurm.unit import Unit

_LOG = logger(__name__)

CLUSTERS = ("slurm", "local", "debug")

GENERAL = ("name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node")
"""The options of all of submitit's executors; those of one of them begin with its name."""

MADE_WITH = ("slurm_max_num_timeout", "slurm_python", "slurm_max_pickle_size_gb", "local_max_num_timeout")
"""The options that submitit takes when an executor is made, not with the others."""

LEAST = {
    **dict.fromkeys(["timeout_min", "time", "nodes", "cpus_per_task", "tasks_per_node", "ntasks_per_node"], 1),
    "array_parallelism": 1,
    "mem_gb": 0,
    "gpus_per_node": 0,
}
"""What numbers must be at least: submitit takes less, and its jobs then end at once, or never begin."""

DEFAULTS: dict[str, Any] = {"name": "genkit", "timeout_min": 60, "slurm_max_num_timeout": 100}
"""submitit's own limit is 5 minutes, three times: too little for training, which goes on where it was."""

ARRAY = 1000
"""Jobs of an array: Slurm takes 1001 unless it is configured otherwise."""

PATIENCE = 15.0
"""Seconds that a result may take to be seen here, on a file system of several machines."""


def slurm(request: EngineRequest) -> SlurmEngine:
    """Return the engine; raises OptionsError for options that submitit does not take, GenkitError without Slurm."""
    options = {**DEFAULTS, **request.options}
    cluster = str(options.pop("cluster", "slurm"))
    if cluster not in CLUSTERS:
        raise OptionsError(f"engine slurm has cluster={' or '.join(CLUSTERS)}, not {cluster!r}")
    if request.workers is not None:
        options.setdefault("slurm_array_parallelism", request.workers)
    if "local_setup" in options:  # its shell would keep SIGTERM to itself
        raise OptionsError("engine slurm takes no local_setup: do it in the shell that runs genkit bench")
    _refuse_unknown(options)
    made_with = {name: options.pop(name) for name in MADE_WITH if name in options}
    try:
        executor = submitit.AutoExecutor(request.folder, cluster=cluster, **made_with)
    except RuntimeError as error:
        raise GenkitError(
            "there is no Slurm here, as srun is not found: run genkit bench where jobs are submitted, or try the "
            "engine on this machine with -e cluster=local"
        ) from error
    try:
        executor.update_parameters(**options)
    except (NameError, ValueError, AssertionError, TypeError) as error:
        raise OptionsError(f"engine slurm: {' '.join(str(error).split())}") from error
    return SlurmEngine(executor, cluster, request)


def _refuse_unknown(options: dict[str, Any]) -> None:
    """Raise OptionsError for what submitit has no option for, in fewer words than its own."""
    own = sorted(f"slurm_{name}" for name in submitit.SlurmExecutor._valid_parameters())
    of_others = [name for name in options if name.startswith(("local_", "debug_"))]  # submitit knows them
    refuse_options("slurm", options, [*GENERAL, "stderr_to_stdout", "cluster", *MADE_WITH, *own, *of_others])
    for name, value in options.items():
        least = LEAST.get(re.sub("^(slurm|local|debug)_", "", name))
        if least is not None and isinstance(value, int | float) and not value >= least:
            raise OptionsError(f"engine slurm: {name} must be {least} or more, not {value}")


class SlurmFuture:
    """A submitted job; what its first task returns counts."""

    def __init__(self, job: submitit.Job[str], queue: Queue | None) -> None:
        self._job, self._first, self._queue = job, job.task(0), queue

    @property
    def log(self) -> Path:
        """See Future."""
        return Path(self._first.paths.stderr)

    def done(self) -> bool:
        """See Future."""
        if self._queue is None:
            return bool(self._first.done())
        return self.returned() or not self._queue.has(self._job.job_id)

    def result(self) -> str:
        """See Future."""
        if isinstance(self._first, submitit.DebugJob):
            said = self._first.result()
            if isinstance(said, Lost):
                raise said
            return str(said)
        until = time.monotonic() + PATIENCE
        while not self.returned() and self._queue is not None and time.monotonic() < until:
            time.sleep(0.5)
        if not self.returned():
            state = self._queue.end_of(self._job.job_id) if self._queue else "its process was killed"
            waited = state.startswith("CANCELLED") and not self.log.exists()
            where = "it has no log, as one that was cancelled while it waited" if waited else self._where()
            raise Lost(f"Slurm's job {self._job.job_id} ended without a result: {state}; {where}")
        outcome, value = pickle_load(self._first.paths.result_pickle)
        if outcome != "success":
            last = (str(value).strip().splitlines() or ["no reason"])[-1].removeprefix("genkit.errors.GenkitError: ")
            raise Lost(f"Slurm's job {self._job.job_id} failed: {_one_line(last)}; {self._where()}")
        return str(value)

    def cancel(self) -> None:
        """See Future."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            if isinstance(self._job, submitit.LocalJob):
                terminate(self._job)
            else:
                self._job.cancel(check=False)

    def _where(self) -> str:
        """Say where the log is."""
        if self.log.exists():
            return f"its log is {self.log}"
        return f"it has no log, as if its node did not see {self.log.parent}: keep the board in a folder that all share"

    def returned(self) -> bool:
        """Whether the result of its first task is there."""
        with contextlib.suppress(OSError):  # asks a file system of several machines anew
            os.utime(self._first.paths.folder)
        return bool(self._first.paths.result_pickle.exists())


class SlurmEngine(Engine):
    """Submits to Slurm, in whose queue everything waits; or to one of submitit's executors of this machine."""

    def __init__(self, executor: submitit.AutoExecutor, cluster: str, request: EngineRequest) -> None:
        self._executor, self._folder, self._prepare = executor, request.folder, request.prepare
        self._queue = Queue() if cluster == "slurm" else None
        self._here: list[submitit.Job[str]] = []
        self.lasting, self.pause = cluster == "slurm", 2.0
        if cluster != "slurm":
            self.limit = 1 if cluster == "debug" else request.workers or os.cpu_count() or 1
            self.pause = 0.2

    def submit(self, name: str, task: Task) -> SlurmFuture:
        """See Engine."""
        return self.submit_all([(name, task)])[0]

    def submit_all(self, tasks: Sequence[tuple[str, Task]]) -> list[SlurmFuture]:
        """See Engine; what an earlier command submitted and is still in the queue is found again."""
        futures = {index: found for index, (name, _) in enumerate(tasks) if (found := self.find(name)) is not None}
        new = [index for index in range(len(tasks)) if index not in futures]
        self._folder.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(new), ARRAY):
            part = new[start : start + ARRAY]
            jobs = self._submitted([Unit(tasks[index][1], self._prepare) for index in part])
            for index, job in zip(part, jobs, strict=True):
                futures[index] = SlurmFuture(job, self._queue)
                if isinstance(job, submitit.LocalJob):
                    self._here.append(job)
                if self._queue is not None:
                    self._file(tasks[index][0]).write_text(f"{job.job_id} {job.num_tasks}\n", encoding="utf-8")
            if self._queue is not None:
                _LOG.info("%d jobs are in Slurm's queue; their logs come to %s", len(part), self._folder)
        return [futures[index] for index in range(len(tasks))]

    def close(self) -> None:
        """Stop the processes of submitit's local executor that there are, and wait until they have ended."""
        stop(self._here)

    def _submitted(self, units: list[Unit]) -> list[submitit.Job[str]]:
        try:
            with deaf_to_ctrl_c() if self._queue is None else contextlib.nullcontext():
                return list(self._executor.submit_array(units))
        except (FailedSubmissionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
            hint = "; -e cluster=local tries the engine without Slurm" if self._queue is not None else ""
            raise GenkitError(f"Slurm does not take the jobs: {_one_line(str(error))}{hint}") from error

    def _file(self, name: str) -> Path:
        """The file of the number that Slurm gave a job, and of its number of tasks."""
        return self._folder / f"{name}.job"

    def find(self, name: str) -> SlurmFuture | None:
        """See Engine; what has its result is not in the queue, whatever squeue lists."""
        if self._queue is None:
            return None
        try:
            number, tasks = self._file(name).read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return None
        if not self._queue.lists(number, self._folder):
            return None
        job: submitit.Job[str] = submitit.SlurmJob(self._folder, number, tasks=list(range(int(tasks))))
        found = SlurmFuture(job, self._queue)
        return None if found.returned() else found


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
