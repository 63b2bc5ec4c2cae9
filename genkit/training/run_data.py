"""The data set of a run: opened where it was, or where it is now."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from genkit.data import ImageDataset, open_dataset
from genkit.data.summary import describe_data
from genkit.errors import DataError, MissingError
from genkit.files import folders
from genkit.training.runs import Run

ELSEWHERE = "if the data is elsewhere, name its place: --dataset NEWPATH (in Python dataset=NEWPATH)"


def open_run_dataset(
    run: Run,
    dataset: ImageDataset | Path | str | None = None,
    *,
    data_root: Path | str | None = None,
    labels: Path | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageDataset:
    """Open the data set that a run was trained on, with the options of reading that the run recorded.

    ``dataset`` says where it is now, if it was moved or the run was imported: the content decides, not the name. So
    does ``labels`` for a file of labels. Downloaded data is looked for in ``data_root``, else ``GENKIT_DATA``, else the
    folder recorded in the run. It keeps the short name that the run recorded, so that what is measured of it stays
    comparable. Raises MissingError if there is nothing at the recorded place, DataError if the content has changed.
    """
    if not isinstance(dataset, ImageDataset):
        options = dataclasses.asdict(run.config.opening)
        recorded = options.pop("data_root")
        if labels is not None:
            options["labels"] = labels
        root = data_root or folders.data_root() or recorded
        reference = run.config.dataset if dataset is None else str(dataset)
        try:
            dataset = open_dataset(reference, data_root=root, progress=progress, **options)
        except MissingError as error:
            if reference != run.config.dataset or ":" not in reference:  # a name, which has no other place
                raise
            raise MissingError(f"{error}; {ELSEWHERE}") from error
    check_unchanged(dataset, run)
    return dataclasses.replace(dataset, short_name=run.config.dataset_slug)


def check_unchanged(data: ImageDataset, run: Run) -> None:
    """Raise DataError if a data set is not what a run was trained on; it says what differs and what still works."""
    if data.sha256 == run.config.dataset_sha256:
        return
    was, now = run.config.summary, describe_data(data)
    differs = f"it had {was}, and has {now}"
    if was == now:
        differs = f"its pixels, labels or order of splits differ, though it still has {now}"
    raise DataError(
        f"{data.name} is not the data that run {run.path} was trained on: {differs}; genkit sample and interpolate "
        "work without it, and to measure or resume the run name the unchanged data by --dataset"
    )
