"""From a record back to the very images, extractor and model that it measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from genkit.data import ImageDataset, Split
from genkit.devices import pick_device
from genkit.errors import DataError, MissingError, UsageError
from genkit.evaluation.closed_form import load_for_evaluation
from genkit.evaluation.other_packages import Images, Sets
from genkit.evaluation.reopen import extractor_choices, extractor_name, image_sets_of, run_of
from genkit.evaluation.samples import ModelSamples, SplitImages
from genkit.features import load_extractor, manifest
from genkit.features.cache import Progress, Samples, identity
from genkit.models.base import GenerativeModel
from genkit.results.records import Record
from genkit.training.api import open_run_dataset

CHUNK = 256


@dataclass(frozen=True)
class Subject:
    """What a record measured, opened again."""

    dataset: ImageDataset
    samples: Samples
    reference: Split
    model: GenerativeModel | None
    device: torch.device


def reopen(record: Record, path: Path | None, runs: Path, device: str) -> Subject:
    """Open what a record measured, on the kind of device that it was measured on unless ``device`` names one.

    Raises MissingError for a run, checkpoint or image that is gone, DataError for data that has changed.
    """
    if device == "auto":  # another kind of device draws other samples
        device = "cpu" if record.protocol["hardware"]["device"].startswith("cpu") else "cuda"
    target = pick_device(device)
    sampling = record.protocol["samples"]
    if record.training is not None:
        if path is None:
            raise UsageError("the record of a run is verified from its file: name that")
        run, checkpoint = run_of(record, path, runs)
        data = open_run_dataset(run)
        if data.sha256 != record.protocol["data"]["sha256"]:
            raise DataError(f"{data.name} has changed since {record.subject.name} was measured")
        model = load_for_evaluation(run, checkpoint, data.train, target, raw=record.training.weights == "raw")
        drawn = ModelSamples(
            model, sampling["count"], sampling["chunk"], sampling["seed"], target, sampling["quantisation"]
        )
        return Subject(data, drawn, data.train, model, target)
    if record.subject.kind != "images":
        raise MissingError(f"{record.subject.name} was measured to calibrate a board: it has no run or images to open")
    images, reference = image_sets_of(record)
    against = reference.train if reference.own_splits else reference.everything()
    if sampling["count"] > len(images.everything()):
        raise DataError(f"the record says {sampling['count']:,} samples, but there are {len(images.everything()):,}")
    taken = SplitImages(images.everything(), sampling["count"], sampling["chunk"], sampling["seed"], images.sha256)
    return Subject(reference, taken, against, None, target)


class WrittenImages:
    """The images of a subject, written once to files that the packages read."""

    def __init__(self, subject: Subject, folder: Path, progress: Progress) -> None:
        self.subject, self.folder, self.progress = subject, folder, progress
        self._files: dict[str, Images] = {}

    def samples(self, count: int) -> Images:
        """Return the first ``count`` samples as the record took them; raises DataError if there are not as many."""
        whole = self._file("samples", self.subject.samples)
        if not 2 <= count <= len(whole):
            raise DataError(f"the record says {count:,} samples, but there are {len(whole):,}")
        return whole if count == len(whole) else whole[self.subject.samples.subset(count)]

    def reference(self) -> Images:
        """Return the reference images in the record's order."""
        return self._file("reference", SplitImages(self.subject.reference, len(self.subject.reference), CHUNK))

    def _file(self, name: str, samples: Samples) -> Images:
        if name not in self._files:
            file: Images | None = None
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


def image_sets(
    written: WrittenImages, choices: Mapping[str, str], count: int, weights: Path | None, device: torch.device
) -> Sets:
    """Return both sets of images and the extractor of a group of scores, loaded from the recorded weights."""
    name = extractor_name(choices)
    extractor = load_extractor(name, weights=weights, device=str(device), choices=extractor_choices(choices))
    if extractor.sha256 != choices["sha256"]:
        raise DataError(f"{name} has other weights here than the record's: name their file with --weights")
    if identity(extractor) != dict(choices):
        raise DataError(f"{name} prepares images differently here than the record says: {identity(extractor)}")
    file = weights
    if file is None and name.startswith("inception"):
        file = manifest.find("inception").path
    return Sets(written.samples(count), written.reference(), extractor, choices, file)
