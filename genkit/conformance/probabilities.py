"""Checks that ``log_likelihood`` is of a probability: over all tiny images exp of it adds up to 1 at most, or to 1.

The model is trained on all images of 2 x 2 pixels and 3 levels, evenly. A sound one learns that they are equally
likely; one that sees what it is to predict becomes sure of each, and the sum shows it. So does a density that is passed
off as a probability, a missing p(class), and a missing 1/K of K importance samples.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import torch

from genkit.conformance.inference import log_likelihood
from genkit.conformance.report import CheckSkipped, require
from genkit.conformance.under_test import ModelUnderTest, train
from genkit.data.dataset import ImageDataset, Split
from genkit.models.base import GenerativeModel, capabilities
from genkit.seeds import derive

STEPS = 150
"""Training steps of each stage."""

TINY = (((1, 2, 2), 3), ((1, 4, 4), 2))
"""Shapes and levels, the first that the model can be built for."""

MOST, REPEATS = 256, 16
"""Images and seeds at most; of more images, some are drawn."""

DENSITIES = ("gaussian", "density")
"""Words in ``observation`` of densities over real numbers, which no sum over images says anything of."""


def adds_up(tested: ModelUnderTest) -> None:
    """Over all tiny images exp(log_likelihood) adds up to at most 1, or to 1 where it is said to be exact."""
    if "log_likelihood" not in capabilities(tested.cls):
        raise CheckSkipped("no log_likelihood")
    model, data = _tiny(tested)
    if any(word in model.observation for word in DENSITIES):
        raise CheckSkipped(f"{model.observation} is a density: it has no sum over images")
    train(model, data, STEPS)
    (_, height, width), levels = model.data.shape, model.data.levels
    if model.binarisation != "none":
        levels = 2
    what = f"images of {height}x{width} pixels and {levels} levels"
    for samples in (1, 8):
        total, error = _total(model, levels, samples)
        if samples > 1:
            what += f", with {samples} importance samples"
        found = f"exp(log_likelihood) adds up to {total:.4g} over all {what} (standard error {error:.2g})"
        allowed = 5 * error + 0.005
        require(
            total <= 1 + allowed,
            f"{found}, more than 1: it is no lower bound of a probability (a density, a target that the model sees, or "
            "a missing term such as p(class) or 1/K of the importance samples)",
        )
        exact = tested.cls.exact_likelihood
        require(not exact or total >= 1 - allowed, f"{found}, not to 1: exact_likelihood says that it is exact")


def _tiny(tested: ModelUnderTest) -> tuple[GenerativeModel, ImageDataset]:
    """Return a new model of the first tiny data that it takes, with labels if any has."""
    refused = ""
    for (shape, levels), classes in itertools.product(TINY, (3, 0)):
        data = _every_image(shape, levels, classes)
        try:
            return tested.build(data.info()), data
        except Exception as error:
            refused = f"{type(error).__name__}: {error}"
    raise CheckSkipped(f"unverified: it can't be built for tiny images ({refused})")


def _every_image(shape: tuple[int, int, int], levels: int, classes: int) -> ImageDataset:
    """Return a data set of all images of a shape, or of some at random where there are many; labels go round."""
    pixels = (_images(shape, levels) * (levels - 1)).round().numpy().astype(np.uint8)
    labels = np.arange(len(pixels)) % classes if classes else None
    split = Split("train", pixels, labels, levels)
    names = tuple(map(str, range(classes)))
    return ImageDataset("tiny", "synthetic", split, dataclasses.replace(split, name="test"), names)


def _images(shape: tuple[int, int, int], levels: int) -> torch.Tensor:
    """Return all images [n, C, H, W] of a shape and levels, or ``MOST`` at random."""
    size = math.prod(shape)
    if levels**size <= MOST:
        found = torch.tensor(list(itertools.product(range(levels), repeat=size)))
    else:
        found = torch.randint(levels, (MOST, size), generator=torch.Generator().manual_seed(derive(0, "tiny")))
    return found.float().div_(levels - 1).view(-1, *shape)


def _total(model: GenerativeModel, levels: int, samples: int) -> tuple[float, float]:
    """Return the sum of exp(log_likelihood) over all images, and its standard error.

    With importance samples exp of the bound is on average the probability itself, at most, whatever its spread.
    """
    images = _images(model.data.shape, levels)
    every = float(levels) ** math.prod(model.data.shape)
    found: list[torch.Tensor] = []
    for seed in range(REPEATS):
        found.append(log_likelihood(model, images, samples=samples, seed=seed).double().exp())
        if seed == 1 and torch.equal(*found):  # no chance in it
            break
    probability = torch.stack(found)
    totals = probability.mean(1) * every
    error = float(totals.std()) / math.sqrt(len(totals))
    if every > len(images):
        error = math.hypot(error, every * float(probability.mean(0).std()) / math.sqrt(len(images)))
    return float(totals.mean()), error
