"""``genkit.bench``: train and evaluate all models that a board's file lists, then rank them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genkit.benchmark.engine import nothing
from genkit.benchmark.estimate import throughputs
from genkit.benchmark.jobs import jobs
from genkit.benchmark.plan import Plan, read_plan
from genkit.benchmark.runner import OnJob, always, ignore, run_jobs
from genkit.benchmark.work import BenchFolder
from genkit.data import ImageDataset, open_dataset
from genkit.errors import GenkitError, GenkitWarning, of_system
from genkit.files.writing import write_together
from genkit.report import markdown
from genkit.report.leaderboard import Leaderboard, leaderboard
from genkit.results import store
from genkit.results.jobs import Job, Outcome, outcome, outcomes
from genkit.results.maintenance import PAGES, mark

if TYPE_CHECKING:
    Opener = Callable[..., ImageDataset]


@dataclass(frozen=True)
class Benchmark:
    """A board's file with its data set opened. ``jobs`` are all that it lists, in the order in which they run."""

    file: Path
    plan: Plan
    folder: BenchFolder
    jobs: tuple[Job, ...]
    dataset_options: Mapping[str, Any]
    """Arguments of open_dataset."""

    @property
    def outcomes(self) -> list[Outcome | None]:
        """How each job ended; None for one that has not."""
        return [outcome(self.folder.jobs, job) for job in self.jobs]

    @property
    def failed(self) -> list[Job]:
        """The jobs that failed or never ended."""
        return [job for job, ended in zip(self.jobs, self.outcomes, strict=True) if ended is None or not ended.record]

    @property
    def unlisted(self) -> list[Outcome]:
        """Finished jobs in the folder that the file no longer lists: they are ranked too."""
        listed = {job.id for job in self.jobs}
        return [each for each in outcomes(self.folder.path) if each.record and each.job.id not in listed]

    def throughputs(self, roots: Iterable[Path | str] = ()) -> dict[str, float]:
        """Return images trained per second, by model, from the records here and below ``roots`` on the same data."""
        records = [record for root in (self.folder.path, *roots) for record in store.read(root).records]
        data = self.jobs[0].dataset_sha256
        return throughputs(record for record in records if record.protocol.get("data", {}).get("sha256") == data)

    def run(
        self,
        *,
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
    ) -> Leaderboard:
        """Run the jobs that have not ended, then write board.md and report.html and return the leaderboard.

        Both end with the hash of the records that they were made from, which ``genkit records validate`` compares.

        Arguments and errors as in ``bench``; ``prepare`` and ``cancel`` as in ``run_jobs``.
        """
        run_jobs(
            self.plan,
            self.jobs,
            self.folder.path,
            dataset_options=self.dataset_options,
            device=device,
            workers=workers,
            retry=retry,
            on_job=on_job,
            prepare=prepare,
            engine=engine,
            engine_options=engine_options,
            cancel=cancel,
            detach=detach,
            track=track,
        )
        if len(self.failed) == len(self.jobs):
            raise GenkitError(f"no job of {self.file} succeeded: --retry runs failed jobs again")
        ranked = leaderboard(self.folder.path)
        pages = (markdown.leaderboard(ranked.board) + "\n", ranked.html())
        made_from = mark(ranked.records, ranked.board.failed)
        try:
            write_together(
                {self.folder.path / name: page.encode() + made_from for name, page in zip(PAGES, pages, strict=True)}
            )
        except OSError as error:
            warnings.warn(f"all is measured, but {of_system(error)}", GenkitWarning, stacklevel=2)
        return ranked


def open_benchmark(
    file: Path | str,
    *,
    out: Path | str | None = None,
    data_root: Path | str | None = None,
    opener: Opener = open_dataset,
) -> Benchmark:
    """Read a board's file, open its data set with ``opener`` and list its jobs; nothing is trained.

    Arguments and errors as in ``bench``.
    """
    file = Path(file)
    plan = read_plan(file)
    options = {"data_root": data_root, "size": plan.size, "exclude_generated": plan.exclude_generated or None}
    options["pack"] = plan.pack if plan.pack != "pixels" else None
    dataset_options = {key: value for key, value in options.items() if value is not None}
    todo = tuple(jobs(plan, opener(plan.dataset, **dataset_options)))
    return Benchmark(file, plan, BenchFolder(Path(out or Path("boards", file.stem))), todo, dataset_options)


def bench(
    file: Path | str,
    *,
    out: Path | str | None = None,
    data_root: Path | str | None = None,
    device: str = "auto",
    workers: int | None = None,
    retry: bool = False,
    on_job: OnJob = ignore,
    engine: str = "local",
    engine_options: Mapping[str, Any] | None = None,
    track: Sequence[str] = (),
) -> Leaderboard:
    """Train and evaluate all models of a board's file (TOML, see ``genkit.benchmark.plan``), then rank them.

    Runs, records, board.md and report.html are kept in ``out``, by default ``boards/NAME``. Each job is a process;
    ``workers`` of them run at a time, by default one, or as many as there is room for if ``engine`` is not "local" but
    that of a cluster, such as "slurm" or "ray" of the plugins; ``engine_options`` are the engine's own. Trackers
    ``track``, such as ("tensorboard",), follow the runs. Jobs that have ended are not repeated, those that failed only
    with ``retry``, so the same call resumes after any interruption.
    ``on_job(job, outcome)`` is called as each job ends. In a script, call this under ``if __name__ == "__main__":``, as
    multiprocessing asks.

    Raises MissingError or OptionsError for the file, UnknownName for a data set, model, engine or tracker that does not
    exist, MissingError for an engine or tracker that is not installed, OptionsError for an option of the engine,
    GenkitError if no job succeeded, and Interrupted after Ctrl-C.
    """
    benchmark = open_benchmark(file, out=out, data_root=data_root)
    return benchmark.run(
        device=device,
        workers=workers,
        retry=retry,
        on_job=on_job,
        engine=engine,
        engine_options=engine_options,
        track=track,
    )
