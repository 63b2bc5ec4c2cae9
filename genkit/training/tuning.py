"""What a run trains on that is adapted from another, and the adapter that it leaves."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save
from torch.nn.functional import normalize

from genkit.data import ImageDataset, Split, open_dataset
from genkit.errors import DataError, UsageError
from genkit.files.text import json_value, logger
from genkit.files.writing import write_together
from genkit.models.base import GenerativeModel, capabilities
from genkit.models.images import understood
from genkit.models.lora import adapter
from genkit.seeds import derive
from genkit.training.config import RunConfig, Tuning
from genkit.training.run_data import open_run_dataset
from genkit.training.runs import ADAPTER, Run, load

_LOG = logger(__name__)

COMPARED, ALIKE = 500, 0.99
"""Captions that a new prompt is compared with, and the cosine above which a word is read as a known one."""

REPLAYED = 100_000
"""Most different images of the parent's data that are replayed, where the budget is in minutes."""


def concept_split(data: ImageDataset, model: GenerativeModel, prompt: str) -> Split:
    """Return all images of a data set as a model is tuned to them: in its form, with captions or classes as it reads.

    Raises UsageError for a prompt that the model can't read, and where it needs a prompt or classes that are not there;
    DataError for images of another size.
    """
    images = _in_form_of(data, model)
    if "understand" in capabilities(model):
        return dataclasses.replace(images, labels=None, captions=_captions(images, data.name, prompt))
    if prompt:
        raise UsageError(
            f"{type(model).__name__} reads no prompts: leave --prompt out, or tune a run trained with -o text=bytes"
        )
    labels = _labels(images, data, model) if follows_classes(model) else None
    return dataclasses.replace(images, labels=labels, captions=None)


def follows_classes(model: GenerativeModel) -> bool:
    """Return whether a model draws images of a class."""
    return model.conditional and model.data.num_classes > 0


def _in_form_of(data: ImageDataset, model: GenerativeModel) -> Split:
    """Return all images with the channels and grey levels of a model's data."""
    images, (channels, height, width), levels = data.everything(), model.data.shape, model.data.levels
    pixels = np.array(images.pixels)
    if pixels.shape[1] == 1 < channels:
        pixels = pixels.repeat(channels, axis=1)
    if pixels.shape[1:] != (channels, height, width):
        found, wanted = ("x".join(map(str, shape)) for shape in (pixels.shape[1:], model.data.shape))
        raise DataError(f"images of {data.name} are {found}, and the model draws {wanted}: give images of that size")
    if images.levels != levels:
        _LOG.warning("%s: rounded from %d to the model's %d grey levels", data.name, images.levels, levels)
        pixels = np.rint(pixels * ((levels - 1) / (images.levels - 1))).astype(np.uint8)
    return Split("train", pixels, images.labels, levels, None, images.captions)


def say_if_known(model: GenerativeModel, prompt: str, old: ImageDataset | None) -> None:
    """Say so if a model reads a new prompt almost as a caption of its data: it will confuse the two.

    A word is new if its vector is unlike those of all words of the captions; small text encoders may read only a few
    letters of a word.
    """
    captions = None if old is None else old.train.captions
    if not prompt or captions is None:
        return
    places = np.linspace(0, len(captions) - 1, min(COMPARED, len(captions))).astype(np.int64)
    known = sorted({text for place in places.tolist() for text in captions[place]} - {""})
    if not known or prompt in known:
        return
    told, asked = understood(model, known), understood(model, [prompt])
    words = normalize(told.tokens[told.mask], dim=-1) @ normalize(asked.tokens[asked.mask], dim=-1).T
    if words.numel() and float(words.amax(0).min()) > ALIKE:
        like = known[int((normalize(told.mean(), dim=-1) @ normalize(asked.mean(), dim=-1).T).argmax())]
        _LOG.warning(
            "the model reads %s almost as %s, and may confuse the two: another word may be learned better",
            json_value(prompt),
            json_value(like),
        )


def _captions(images: Split, name: str, prompt: str) -> list[tuple[str, ...]]:
    if prompt:
        return [(prompt,)] * len(images)
    own = [() if images.captions is None else tuple(images.captions[place]) for place in range(len(images))]
    missing = sum(not any(text.strip() for text in texts) for texts in own)
    if missing:
        some = "have no captions" if missing == len(own) else f"have no caption for {missing} of {len(own)} images"
        raise UsageError(f'{name} {some}: say what they show, e.g. --prompt "a zorp"')
    return own


def _labels(images: Split, data: ImageDataset, model: GenerativeModel) -> NDArray[np.int64]:
    """Return the labels that a model of classes has for the images' classes."""
    known = {name: label for label, name in enumerate(model.data.class_names)}
    folders = {PurePath(name).parent.name for name in data.everything().names or ()}
    if images.labels is None and len(folders) == 1 and folders <= known.keys():
        (only,) = folders
        _LOG.warning("%s: all images are read as class %s, by the name of their folder", data.name, only)
        return np.full(len(images), known[only])
    if images.labels is None or not set(data.classes) <= known.keys():
        listed = ", ".join(model.data.class_names[:10]) or "not recorded"
        raise UsageError(
            f"{type(model).__name__} draws classes, so {data.name} needs a folder for each class that it shows, named "
            f"as the model's ({listed}): a new class needs a run trained with -o text=bytes, and --prompt"
        )
    return np.array([known[name] for name in data.classes])[np.asarray(images.labels)]


def open_concept(tuning: Tuning, dataset: ImageDataset | Path | str | None = None) -> ImageDataset:
    """Open the images that a run was tuned to, at their recorded place unless ``dataset`` names another.

    Raises MissingError without them, DataError if they have changed.
    """
    if not isinstance(dataset, ImageDataset):
        options = dataclasses.asdict(tuning.opening)
        dataset = open_dataset(tuning.dataset if dataset is None else str(dataset), **options)
    if dataset.sha256 != tuning.dataset_sha256:
        raise DataError(f"{dataset.name} is not what the run was tuned to: restore the unchanged images")
    return dataset


def open_tuning_data(run: Run, dataset: ImageDataset | Path | str | None = None) -> ImageDataset:
    """Open what a tuned run trains on: the new images, and what it replays; ``dataset`` is the place of the latter.

    Raises MissingError without one of them, DataError for one that has changed.
    """
    tuning = run.config.tuning
    assert tuning is not None
    old = open_run_dataset(run, dataset) if tuning.replay else None
    return tuning_data(run.config, concept_split(open_concept(tuning), run.make_model(), tuning.prompt), old)


def tuning_data(config: RunConfig, concept: Split, old: ImageDataset | None) -> ImageDataset:
    """Return the new images and, in the share of ``replay``, old ones drawn by the run's seed, as one training split.

    Without old data it is the new images alone.
    """
    assert config.tuning is not None
    if old is None:
        return ImageDataset(config.dataset, config.dataset_sha256, concept, concept)
    share = config.tuning.replay
    order = np.random.default_rng(derive(config.seed, "replay")).permutation(len(old.train))
    kept = order[: max(1, round((config.images or REPLAYED) * share))]
    total = max(len(kept) / share, len(concept) / (1 - share))
    rows = np.resize(kept, max(1, round(total * share)))
    repeated = np.resize(np.arange(len(concept)), max(1, round(total * (1 - share))))
    pixels = np.concatenate([old.train.pixels[rows], concept.pixels[repeated]])
    labels, captions = None, None
    if concept.labels is not None and old.train.labels is not None:
        labels = np.concatenate([np.asarray(old.train.labels)[rows], concept.labels[repeated]])
    if concept.captions is not None and old.train.captions is not None:
        captions = [old.train.captions[row] for row in rows.tolist()]
        captions += [concept.captions[row] for row in repeated.tolist()]
    train = Split("train", pixels, labels, concept.levels, None, captions)
    return dataclasses.replace(old, train=train, whole=None)


def write_adapter(run: Run) -> None:
    """Write what LoRA learned as PEFT does, into the run's folder ``adapter``; nothing for other runs."""
    tuning = run.config.tuning
    if tuning is None or tuning.method != "lora":
        return
    tensors, config = adapter(load(run, merge=False), tuning.rank, tuning.alpha)
    model, settings = (run.path / name for name in ADAPTER)
    model.parent.mkdir(exist_ok=True)
    write_together({model: save(tensors, {"format": "pt"}), settings: (json.dumps(config, indent=2) + "\n").encode()})
