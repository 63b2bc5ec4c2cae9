"""Runs in a folder that the user names: begun there, or gone on with by the same command."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from genkit.data import ImageDataset
from genkit.errors import DataError, GenkitError, UsageError
from genkit.files.integrity import sealed
from genkit.files.locks import Held, holding, lock_at
from genkit.files.writing import write_atomic
from genkit.options import current_names
from genkit.training.config import RunConfig
from genkit.training.distributed import of_first
from genkit.training.run_data import check_unchanged
from genkit.training.runs import Run, check_in_no_run, in_order, open_run

KEPT = ("model", "dist", "batch", "seed", "milestones")
"""Settings of a run besides its budget, data and options that a command given again must repeat."""


def run_at(folder: Path) -> Run | None:
    """Return the run in a folder, None where there is none yet; other files in it do no harm.

    Raises UsageError for what can't become a run's folder, DataError for a run that is damaged.
    """
    if (folder / "run.json").exists():
        return open_run(folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder for the run")
    if (folder / "checkpoints").exists():
        raise DataError(f"{folder} has checkpoints but no run.json: restore that from a copy, or name another folder")
    check_in_no_run(folder, "a folder")
    if any(next(folder.glob(f"{'*/' * depth}run.json"), None) is not None for depth in (1, 2, 3)):
        raise UsageError(f"{folder} is a folder of runs: name one in it for this run, e.g. --at {folder / 'mine'}")
    return None


def agreed_run_at(folder: Path) -> Run | None:
    """Return what ``run_at`` returns in process 0, in all processes."""
    found = of_first(lambda: str(run.path) if (run := run_at(folder)) is not None else "")
    return open_run(Path(found)) if found else None


def begin_at(folder: Path, root: Path, config: RunConfig) -> Run:
    """Make a run in a folder, whose place in the order of runs is after those below ``root``, and return it.

    Raises GenkitError if it can't be made, or another process has begun one meanwhile.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with holding(lock_at(folder / ".lock-0")):
            if (folder / "run.json").exists():
                raise Held
            write_atomic(folder / "run.json", sealed(dataclasses.asdict(in_order(root, config))))
    except Held as error:
        raise GenkitError(f"run {folder} is being trained by another process") from error
    except OSError as error:
        raise GenkitError(f"no run can be made in {folder}: {error.strerror or error}") from error
    return open_run(folder)


def check_same(run: Run, config: RunConfig, data: ImageDataset, precision: str | None) -> None:
    """Raise UsageError if a run was begun with other settings than those of the command that is to go on with it.

    ``precision`` is only compared if it was asked for. Raises DataError for other data.
    """
    check_unchanged(data, run)  # first: another data set may have other presets
    sampling = run.config.sampling or config.sampling  # older runs have none
    had, wanted = _compared(dataclasses.replace(run.config, sampling=sampling)), _compared(config)
    if precision is not None:
        had["precision"], wanted["precision"] = run.config.precision, precision
    for name in wanted | had:
        if had.get(name) != wanted.get(name):
            raise UsageError(
                f"run {run.path} was begun with {name} {had.get(name)}, not {wanted.get(name)}: give what it was begun "
                "with, or name another folder for a new run"
            )


def _compared(config: RunConfig) -> dict[str, Any]:
    kept = {name: getattr(config, name) for name in KEPT}
    minutes = f"{float(config.minutes or 0)} minutes"  # not rounded, as in ``budget``
    kept["budget"] = minutes if config.images is None else config.budget
    options = {
        f"-o {name}": value for part in (config.options, config.sampling) for name, value in current_names(part).items()
    }
    return {**kept, "tuning": config.tuning is not None, **options}
