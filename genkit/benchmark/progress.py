"""How far the jobs of a board are, in a line every now and then."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection

from genkit.benchmark.jobs import runs_of
from genkit.benchmark.work import BenchFolder
from genkit.errors import GenkitError
from genkit.files.locks import lock_at
from genkit.files.text import logger
from genkit.results.jobs import Job, lock_file

EVERY = 30.0
"""Seconds between two lines."""

SHOWN = 4
"""Jobs that a line names."""

_LOG = logger(__name__)


class Progress:
    """Logs which jobs run, wherever they do so, and how much of their training is done by their last checkpoint."""

    def __init__(self, bench: BenchFolder, engine: str) -> None:
        self._bench, self._engine = bench, engine
        self._next = time.monotonic() + EVERY

    def show(self, working: Collection[Job], waiting: Collection[Job]) -> None:
        """Log a line if EVERY seconds have passed; ``working`` were given to the engine, ``waiting`` not yet."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        jobs = {job.id: job for job in (*working, *waiting)}.values()
        running = [job for job in jobs if lock_at(lock_file(self._bench.jobs, job)).held()]
        named = [self._described(job) for job in running[:SHOWN]]
        more = ["..."] if len(running) > SHOWN else []
        _LOG.info(
            "%d running%s, %d waiting for %s",
            len(running),
            f" ({', '.join([*named, *more])})" if named else "",
            len(jobs) - len(running),
            self._engine,
        )

    def _described(self, job: Job) -> str:
        runs, done = runs_of(job, self._bench.runs), ""
        with contextlib.suppress(GenkitError):  # a status that can't be read is no reason to stop
            done = f" {runs[-1].status.images / job.images:.0%}" if runs else ""
        return f"{job.model} seed {job.seed}{done}"
