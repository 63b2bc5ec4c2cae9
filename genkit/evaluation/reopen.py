"""From a record back to what it measured: the run and its model, or the sets of images; and the extractor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from genkit.data import ImageDataset, Split, open_images
from genkit.devices import pick_device
from genkit.errors import DataError, MissingError, UsageError
from genkit.evaluation.closed_form import load_for_evaluation
from genkit.evaluation.samples import ModelSamples, SplitImages
from genkit.features import offered_choices
from genkit.features.cache import Progress, Samples
from genkit.files.integrity import check_named, sha256_file
from genkit.files.reading import parse_json, read_file
from genkit.models.base import GenerativeModel
from genkit.models.drawing import drawing_options
from genkit.options import with_later
from genkit.results.records import Record, from_json
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import Run, model_class, open_run

CHUNK = 256


def read_record(path: Path) -> Record:
    """Read a record's file; raises MissingError or DataError."""
    try:
        data = read_file(path)
        check_named(path.name, data, path)
        return from_json(data, str(path))
    except FileNotFoundError as error:
        raise MissingError(f"there is no record {path}") from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error


def said(record: Record, choice: str) -> Any:
    """Return a choice of a record's protocol, such as ``samples.count``; raises DataError if it does not say it."""
    group, _, key = choice.partition(".")
    if key not in record.protocol.get(group, {}):
        raise DataError(f"the record of {record.subject.name} does not say {choice}, so it can't be measured again")
    return record.protocol[group][key]


def run_of(record: Record, path: Path, runs: Path | None = None) -> tuple[Run, Path]:
    """Return the run and the checkpoint that a record at ``path`` measured; raises MissingError if they are gone.

    The record is in its run's folder, or in that of a board, whose runs are in ``runs``; or the run is below ``runs``.
    """
    assert record.training is not None
    if path.resolve().parent.name != "records":  # a printed copy says where the record itself is
        path = Path(str(parse_json(read_file(path)).get("path", path)))
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


def sampling_of_record(record: Record, run: Run) -> dict[str, Any]:
    """Return the options that a record's model drew with, all of them: the run's own may be others."""
    return with_later(record.subject.sampling, drawing_options(model_class(run.offer().qualified)))


def image_sets_of(record: Record) -> tuple[ImageDataset, ImageDataset]:
    """Open the samples and the reference that a record compared; raises MissingError or DataError if they changed."""
    origin = record.subject.options
    if "opening" not in origin:
        raise MissingError("the record does not say where its images are from")
    try:
        samples, reference = (open_images(origin[key], **origin["opening"]) for key in ("samples", "reference"))
    except (KeyError, TypeError, ValueError, AttributeError, DataError, MissingError, UsageError) as error:
        raise MissingError(f"its images can't be opened again: {error}") from error  # as the record says, or was edited
    if (samples.sha256, reference.sha256) != (origin.get("sha256"), said(record, "data.sha256")):
        raise DataError("its images have changed since")
    return samples, reference


def refuse_dataset(dataset: ImageDataset | Path | str | None) -> None:
    """Raise UsageError if the place of a run's data is given for a record of two sets of images."""
    if dataset is not None:
        raise UsageError("--dataset is where a run's data is now: this record compared two sets of images")


def extractor_name(features: Mapping[str, str]) -> str:
    """Return the name that loads the extractor of a score's choices.

    The recorded name also has the architecture if it is not the default, and a hash if the weights are not published.
    """
    name = features["extractor"].removesuffix(f"-{features['sha256'][:8]}")
    return name.removesuffix(f"-{features['architecture']}") if "architecture" in features else name


def extractor_choices(features: Mapping[str, str]) -> dict[str, str]:
    """Return those of a score's choices that its extractor can be loaded with."""
    return {key: features[key] for key in offered_choices(extractor_name(features)) if key in features}


@dataclass(frozen=True)
class Reopened:
    """What a record measured, opened again."""

    dataset: ImageDataset
    samples: Samples
    reference: Split
    model: GenerativeModel | None
    device: torch.device


def reopen(
    record: Record,
    path: Path | None,
    runs: Path,
    device: str,
    dataset: ImageDataset | Path | str | None = None,
) -> Reopened:
    """Open what a record measured, on the kind of device that it was measured on unless ``device`` names one.

    ``dataset`` says where a run's data is now, if it was moved. Raises MissingError for a run, checkpoint or image that
    is gone, DataError for data that has changed.
    """
    if device == "auto":  # another kind of device draws other samples
        device = "cpu" if said(record, "hardware.device").startswith("cpu") else "cuda"
    target = pick_device(device)
    count, chunk, seed = (said(record, f"samples.{key}") for key in ("count", "chunk", "seed"))
    if record.training is not None:
        if path is None:
            raise UsageError("the record of a run is verified from its file: name that")
        run, checkpoint = run_of(record, path, runs)
        data = open_run_dataset(run, dataset)
        if data.sha256 != said(record, "data.sha256"):
            raise DataError(f"{data.name} has changed since {record.subject.name} was measured")
        drawn_with, raw = sampling_of_record(record, run), record.training.weights == "raw"
        model = load_for_evaluation(run, checkpoint, data.train, target, raw=raw, sampling=drawn_with)
        drawn = ModelSamples(model, count, chunk, seed, target, said(record, "samples.quantisation"), data.train)
        return Reopened(data, drawn, data.train, model, target)
    if record.subject.kind != "images":
        raise MissingError(f"{record.subject.name} was measured to calibrate a board: it has no run or images to open")
    refuse_dataset(dataset)
    images, reference = image_sets_of(record)
    against = reference.train if reference.own_splits else reference.everything()
    if count > len(images.everything()):
        raise DataError(f"the record says {count:,} samples, but there are {len(images.everything()):,}")
    taken = SplitImages(images.everything(), count, chunk, seed, images.sha256)
    return Reopened(reference, taken, against, None, target)


class WrittenImages:
    """The images that a record measured, written once to files that are read by place."""

    def __init__(self, reopened: Reopened, folder: Path, progress: Progress) -> None:
        self.reopened, self.folder, self.progress = reopened, folder, progress
        self._files: dict[str, NDArray[np.uint8]] = {}

    def samples(self, count: int) -> NDArray[np.uint8]:
        """Return the first ``count`` samples as the record took them; raises DataError if there are not as many."""
        whole = self._file("samples", self.reopened.samples)
        if not 2 <= count <= len(whole):
            raise DataError(f"the record says {count:,} samples, but there are {len(whole):,}")
        return whole if count == len(whole) else whole[self.reopened.samples.subset(count)]

    def reference(self) -> NDArray[np.uint8]:
        """Return the reference images in the record's order."""
        return self._file("reference", SplitImages(self.reopened.reference, len(self.reopened.reference), CHUNK))

    def _file(self, name: str, samples: Samples) -> NDArray[np.uint8]:
        if name not in self._files:
            if isinstance(samples, SplitImages) and samples.split.sizes is not None:
                raise DataError("images of several sizes can't be given to other packages: measure them with --size")
            file: NDArray[np.uint8] | None = None
            done = 0
            for chunk in samples.chunks():
                if file is None:
                    shape = (samples.count, *chunk.shape[1:])
                    file = np.lib.format.open_memmap(self.folder / f"{name}.npy", "w+", np.uint8, shape)
                file[done : done + len(chunk)] = chunk.cpu().numpy()
                done += len(chunk)
                self.progress(name, done, samples.count)
            assert file is not None
            self._files[name] = file
        return self._files[name]
