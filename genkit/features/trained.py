"""Classifiers trained on this machine from a labelled data set, kept in the cache and found by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from genkit.data import ImageDataset, open_dataset
from genkit.data.dataset import Split
from genkit.errors import GenkitError, UnknownName, UsageError
from genkit.features import metadata
from genkit.features.classifier import DIM, Classifier, ClassifierExtractor, load, save, shifted
from genkit.features.extractor import FeatureRequest, offers
from genkit.files.integrity import Damaged
from genkit.files.text import logger
from genkit.seeds import derive

_LOG = logger(__name__)

BATCH = 64
CHUNK = 1024
LEARNING_RATE = 3e-3
SMOOTHING = 0.05
BUDGET = 180_000
"""Training images in all; the number of epochs is kept within 2 to 60."""


def train_classifier(
    dataset: ImageDataset,
    *,
    seed: int = 0,
    budget: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Classifier, float]:
    """Train a classifier on the training split; return it and its accuracy on the test split, in [0, 1].

    ``budget`` is the number of training images in all, about, by default BUDGET: it is shown whole epochs.
    Deterministic for a seed on the same torch, thread count and device. ``progress`` is called with images done and
    images in all. Raises UsageError for data without at least two classes of labels.
    """
    if dataset.train.labels is None or len(dataset.classes) < 2:
        raise UsageError(f"{dataset.name} has no labels of two or more classes, so no classifier can be trained on it")
    _, height, width = dataset.info().shape
    count = len(dataset.train)
    most_shift = 1 if min(height, width) < 16 else 2
    epochs = _epochs(count, budget)
    steps = epochs * math.ceil(count / BATCH)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "classifier"))
        module = Classifier(dataset.info().shape, len(dataset.classes)).train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.15)
    generator = torch.Generator().manual_seed(derive(seed, "classifier", "draws"))
    shown = 0
    for indices in _batches(count, epochs, generator):
        images = shifted(torch.from_numpy(dataset.train.uint8(indices).copy()), most_shift, generator)
        labels = torch.from_numpy(dataset.train.labels[indices])
        optimizer.zero_grad()
        loss = F.cross_entropy(module(images)[1], labels, label_smoothing=SMOOTHING)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        shown += len(indices)
        if progress is not None:
            progress(shown, epochs * count)
    return module.eval(), accuracy(module, dataset.test)


def accuracy(module: Classifier, split: Split) -> float:
    """Return the accuracy on a labelled split, in [0, 1]; 0 for an empty split."""
    return float((predictions(module, split) == split.labels).sum()) / max(1, len(split))


def predictions(module: Classifier, split: Split) -> NDArray[np.int64]:
    """Return the most likely class of each image, int64 [N]."""
    parts = [np.empty(0, np.int64)]
    with torch.inference_mode():
        for start in range(0, len(split), CHUNK):
            images = torch.from_numpy(split.uint8(slice(start, start + CHUNK)).copy())
            parts.append(module(images)[1].argmax(1).numpy())
    return np.concatenate(parts)


def metadata_of(
    dataset: ImageDataset, name: str, measured: float, seed: int, *, budget: int | None = None
) -> dict[str, Any]:
    """Return the metadata of a classifier trained on a data set, without the hash of its weights."""
    try:
        genkit = version("genkit-toolkit")
    except PackageNotFoundError:
        genkit = "unknown"
    return {
        "name": name,
        "dim": DIM,
        "shape": list(dataset.info().shape),
        "classes": list(dataset.classes),
        "dataset": dataset.name,
        "dataset_sha256": dataset.sha256,
        "test_accuracy": measured,
        "training": {
            "seed": seed,
            "images": len(dataset.train),
            "epochs": _epochs(len(dataset.train), budget),
            "batch": BATCH,
            "learning_rate": LEARNING_RATE,
            "label_smoothing": SMOOTHING,
        },
        "genkit": genkit,
    }


def train_and_store(
    dataset: ImageDataset, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> metadata.Metadata:
    """Train a classifier and keep it in the cache as ``<data set>-cnn``; return its metadata."""
    module, measured = train_classifier(dataset, seed=seed, progress=progress)
    name = _free_name(dataset)
    return save(module, metadata_of(dataset, name, measured, seed), metadata.folder() / name)


@offers()
def trained(request: FeatureRequest) -> ClassifierExtractor:
    """Load an extractor trained here; raises UnknownName, or UsageError if weights are given."""
    if request.weights is not None:
        raise UsageError(f"{request.name} was trained on this machine and takes no weights file: leave --weights out")
    if metadata.find(request.name) is None:
        raise UnknownName("extractor", request.name, [info["name"] for info in metadata.installed()])
    folder = metadata.folder() / request.name
    try:
        return load(folder, request.name, request.device)
    except Damaged as error:
        _train_again(folder, request.name, error)
        return load(folder, request.name, request.device)


def _train_again(folder: Path, name: str, damaged: Damaged) -> None:
    """Train an extractor whose weights are damaged once more; raises ``damaged`` if its data are not there any more."""
    info = metadata.read(folder / f"{name}.json")
    try:
        dataset = open_dataset(info["dataset"])
    except GenkitError:
        raise damaged from None
    if dataset.sha256 != info["dataset_sha256"]:
        raise damaged
    seed = info["training"].get("seed", 0)
    module, measured = train_classifier(dataset, seed=seed)
    made = save(module, metadata_of(dataset, name, measured, seed), folder)
    same = (
        "the same" if made["sha256"] == info["sha256"] else "another, whose scores are not compared with earlier ones"
    )
    _LOG.warning("the weights of %s were damaged: it was trained again and is %s", name, same)


def _epochs(count: int, budget: int | None) -> int:
    return min(60, max(2, round((budget or BUDGET) / count)))


def _batches(count: int, epochs: int, generator: torch.Generator) -> Iterator[NDArray[np.int64]]:
    for _ in range(epochs):
        yield from np.array_split(torch.randperm(count, generator=generator).numpy(), math.ceil(count / BATCH))


def _free_name(dataset: ImageDataset) -> str:
    """Return ``<slug>-cnn``, with part of the content's hash if a plugin or another data set has that name."""
    from genkit.registry.discovery import registry
    from genkit.registry.specs import FeatureSpec

    name = f"{dataset.slug}-cnn".lower()
    taken = {offer.spec.name for offer in registry().offers(FeatureSpec)}
    taken |= {info["name"] for info in metadata.installed() if info["dataset_sha256"] != dataset.sha256}
    return f"{dataset.slug}-{dataset.sha256[:8]}-cnn".lower() if name in taken else name
