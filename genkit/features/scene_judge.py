"""The judge of ``scenes``: which digit is at each of the five places, and in which colour.

A classifier tells the digits 0 to 9, or none, in the grey window of a place. It is trained on windows of the training
images and sees neither colours nor places, so combinations that are held out from training are none to it. The colour
is that of the paints which is nearest to the mean shade of the window, weighted by brightness.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from genkit.data import ImageDataset, Split
from genkit.data.phrasings import COLOURS, PLACES
from genkit.data.scenes import CORNERS, DIGIT, JITTER, PAINT, SIDE
from genkit.data.scenes_grammar import Scene, Thing
from genkit.errors import DataError, MissingError
from genkit.features.cache import Progress
from genkit.features.classifier import ClassifierExtractor, load, save
from genkit.features.judge import Judge
from genkit.features.trained import metadata_of, train_classifier
from genkit.files.folders import cache_dir
from genkit.files.text import logger
from genkit.seeds import derive

_LOG = logger(__name__)

VERSION = 1
"""Of the rules by which a judge is trained; a new version trains another."""
IMAGES, SHOWN = 8_000, 90_000
"""Training images whose windows are taken, and windows shown in training in all."""
WINDOW = DIGIT + 2 * JITTER
NONE = 10
"""The class of a window without a digit in the middle."""


class SceneJudge(Judge):
    """Reads a Scene from each image."""

    def __init__(self, classifier: ClassifierExtractor) -> None:
        self.classifier = classifier
        self.sha256 = classifier.sha256

    def read(self, images: NDArray[np.uint8]) -> list[Scene]:
        """Return what each image shows, things in the order of the places."""
        seen = windows(images)
        logits = self.classifier(grey(seen).flatten(0, 1)).logits
        assert logits is not None
        digits = np.asarray(logits).argmax(axis=1).reshape(seen.shape[:2])
        colours = nearest_paint(seen).numpy()
        return [
            Scene(
                tuple(
                    Thing(int(digit), COLOURS[colour], place)
                    for place, digit, colour in zip(PLACES, row, shades, strict=True)
                    if digit != NONE
                )
            )
            for row, shades in zip(digits, colours, strict=True)
        ]


def windows(images: NDArray[np.uint8]) -> Tensor:
    """Return the window of each place, uint8 [n, 5, 3, 16, 16]; images of another size are brought to 32x32."""
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    if pixels.shape[-2:] != (SIDE, SIDE):
        pixels = F.interpolate(pixels.float(), (SIDE, SIDE), mode="area").round().to(torch.uint8)
    pixels = pixels.expand(-1, 3, -1, -1)
    starts = [(row - JITTER, column - JITTER) for row, column in (CORNERS[place] for place in PLACES)]
    return torch.stack([pixels[..., row : row + WINDOW, column : column + WINDOW] for row, column in starts], dim=1)


def grey(seen: Tensor) -> Tensor:
    """Return the brightest channel of windows, [..., 1, 16, 16]."""
    return seen.amax(dim=-3, keepdim=True)


def nearest_paint(seen: Tensor) -> Tensor:
    """Return the index of the colour of each window [..., 3, 16, 16]."""
    weighted = seen.float() * grey(seen)
    shade = weighted.sum((-2, -1))
    shade = shade / shade.amax(-1, keepdim=True).clamp_min(1)
    paints = torch.tensor([PAINT[colour] for colour in COLOURS]).float() / 255
    return torch.cdist(shade, paints.expand(*shade.shape[:-2], *paints.shape)).argmin(-1)


def scene_judge(dataset: ImageDataset, device: str, progress: Progress) -> SceneJudge:
    """Return the judge of scenes, from the cache, or trained on the training images from a fixed seed."""
    name = f"scenes-judge-{VERSION}"
    folder = cache_dir() / "judges" / dataset.sha256
    try:
        return SceneJudge(load(folder, name, device))
    except MissingError:
        pass
    except DataError as error:
        _LOG.warning("the judge of %s is trained again: %s", dataset.name, error)
    _train(dataset, folder, name, progress)
    return SceneJudge(load(folder, name, device))


def _train(dataset: ImageDataset, folder: Path, name: str, progress: Progress) -> None:
    parts = {split.name: _examples(dataset, split) for split in (dataset.train, dataset.test)}
    classes = (*map(str, range(10)), "none")
    data = ImageDataset(dataset.name, dataset.sha256, parts["train"], parts["test"], classes)
    module, accuracy = train_classifier(
        data, budget=SHOWN, progress=lambda done, total: progress("training the judge of prompts", done, total)
    )
    save(module, metadata_of(data, name, accuracy, 0, budget=SHOWN), folder)


def _examples(dataset: ImageDataset, split: Split) -> Split:
    """Return the grey windows of a split's digits, and of each image one without, with their classes."""
    assert dataset.grammar is not None and split.captions is not None
    count = min(IMAGES, len(split))
    seen = grey(windows(split.uint8(slice(count)))).numpy()
    chosen, labels, places = [], [], list(PLACES)
    for image in range(count):
        things = dataset.grammar.parse(split.captions[image][0]).things
        free = [place for place in places if place not in {thing.place for thing in things}]
        digits = [(thing.place, thing.digit) for thing in things]
        for place, label in [*digits, (free[derive(0, split.name, image) % len(free)], NONE)]:
            chosen.append(seen[image, places.index(place)])
            labels.append(label)
    return Split(split.name, np.stack(chosen), np.array(labels, np.int64))
