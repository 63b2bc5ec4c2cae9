"""From a record back to what it measured: the run and its checkpoint, or the two sets of images, and the extractor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from genkit.data import ImageDataset, open_images
from genkit.downloads import sha256_file
from genkit.errors import DataError, MissingError, UsageError
from genkit.features import offered_choices
from genkit.results.records import Record, from_json
from genkit.training.runs import Run, open_run


def read_record(path: Path) -> Record:
    """Read a record's file; raises MissingError or DataError."""
    try:
        return from_json(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise MissingError(f"there is no record {path}") from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error


def run_of(record: Record, path: Path, runs: Path | None = None) -> tuple[Run, Path]:
    """Return the run and the checkpoint that a record at ``path`` measured; raises MissingError if they are gone.

    The record is in its run's folder, or in that of a board, whose runs are in ``runs``; or the run is below ``runs``.
    """
    assert record.training is not None
    if path.resolve().parent.name != "records":  # a printed copy says where the record itself is
        path = Path(str(json.loads(path.read_bytes()).get("path", path)))
    home = path.resolve().parent.parent
    below = [root for root in (home / "runs", runs) if root is not None]
    folders = [home, *(file.parent for root in below for file in root.glob(f"*/*/{record.training.run}/run.json"))]
    found = [open_run(folder) for folder in folders if (folder / "run.json").is_file()]
    if not found:
        raise MissingError(
            f"run {record.training.run} is not found: the record is not in its run's folder; name the folder of runs"
        )
    wanted = record.training.checkpoint_sha256
    for run in found:
        for checkpoint in (*run.checkpoints(), *run.milestones()):
            if sha256_file(checkpoint) == wanted:
                return run, checkpoint
    raise MissingError(f"run {found[0].path} no longer has the checkpoint that was measured")


def image_sets_of(record: Record) -> tuple[ImageDataset, ImageDataset]:
    """Open the samples and the reference that a record compared; raises MissingError or DataError if they changed."""
    origin = record.subject.options
    if "opening" not in origin:
        raise MissingError("the record does not say where its images are from")
    try:
        samples, reference = (open_images(origin[key], **origin["opening"]) for key in ("samples", "reference"))
    except (KeyError, TypeError, ValueError, AttributeError, DataError, MissingError, UsageError) as error:
        raise MissingError(f"its images can't be opened again: {error}") from error  # as the record says, or was edited
    if (samples.sha256, reference.sha256) != (origin.get("sha256"), record.protocol["data"]["sha256"]):
        raise DataError("its images have changed since")
    return samples, reference


def extractor_name(features: Mapping[str, str]) -> str:
    """Return the name that loads the extractor of a score's choices.

    The recorded name also has the architecture if it is not the default, and a hash if the weights are not published.
    """
    name = features["extractor"].removesuffix(f"-{features['sha256'][:8]}")
    return name.removesuffix(f"-{features['architecture']}") if "architecture" in features else name


def extractor_choices(features: Mapping[str, str]) -> dict[str, str]:
    """Return those of a score's choices that its extractor can be loaded with."""
    return {key: features[key] for key in offered_choices(extractor_name(features)) if key in features}
