"""Checks that a condition steers what is drawn: a model trained for some hundred steps draws the class it is asked for.

Synthetic images show their label in the position of a spot, so the nearest mean image of a class says which class a
sample shows. Where the model has not learnt that in so few steps, or a given data set doesn't show its classes so, the
check is unverified.
"""

from __future__ import annotations

import torch
from torch import Tensor

from genkit.conformance.report import CheckSkipped, require
from genkit.conformance.under_test import LEARNING, ModelUnderTest, draw, shows_nothing
from genkit.models.base import GenerativeModel

DRAWN = 128
LEARNT = 0.25
"""Share of samples above chance that show one shift of the class asked for, in a model that has learnt classes."""


def condition_used(tested: ModelUnderTest) -> None:
    """Two classes under one seed give different samples; without a condition samples differ from each other."""
    model = conditional(tested)
    first, second = (draw(model, torch.full((16,), label), 5) for label in (0, 1))
    anything = tested.sample(model, 16, 5, labels=False)
    if shows_nothing(torch.cat([first, second, anything])):
        raise CheckSkipped("unverified: all its samples are black and white alike")
    require(
        not torch.equal(first, second),
        "two classes give the same samples under one seed: sample ignores its condition (conditional = True)",
    )
    require(
        bool((anything != anything[:1]).any()),
        "without a condition all samples are the same image: draw the classes, and the images, from the generator",
    )


def class_seen(tested: ModelUnderTest) -> None:
    """Samples of a class show that class and not another; without a condition they show several."""
    model = conditional(tested)
    means, classes = means_of(tested), model.data.num_classes
    asked = torch.arange(DRAWN) % classes
    seen = nearest(draw(model, asked, 6), means)
    shares = [float((seen == (asked + shift) % classes).float().mean()) for shift in range(classes)]
    shift = max(range(classes), key=lambda number: shares[number])
    if shares[shift] < 1 / classes + LEARNT:
        raise CheckSkipped(f"unverified: after {LEARNING} steps its samples do not show their class yet")
    require(
        shift == 0,
        f"asked for a class, {shares[shift]:.0%} of the samples show the one {shift} after it, and {shares[0]:.0%} the "
        "class itself: labels and conditions are counted differently",
    )
    frequency, most = max(model.data.class_frequencies), 0.0
    if frequency < 0.6:
        shown = nearest(tested.sample(model, DRAWN, 7, labels=False), means)
        most = float(torch.bincount(shown, minlength=classes).max()) / DRAWN
    require(
        most < 0.95,
        f"without a condition {most:.0%} of the samples show one class: draw the classes as often as the data has them",
    )


def conditional(tested: ModelUnderTest) -> GenerativeModel:
    """Return the model, trained for a while; raises CheckSkipped for one that takes no classes."""
    if not tested.cls.conditional:
        raise CheckSkipped("no condition")
    if tested.data.info().num_classes < 2:
        raise CheckSkipped("data without classes")
    if not tested.trained.conditional:
        raise CheckSkipped("follows no classes with these options")
    return tested.trained


def means_of(tested: ModelUnderTest) -> Tensor:
    """Return the classes' mean training images; raises CheckSkipped where they don't tell classes apart."""
    train, test = tested.data.train, tested.data.test
    images, labels = train.images(slice(None)), torch.as_tensor(train.labels)
    means = torch.stack([images[labels == label].mean(0) for label in range(tested.data.info().num_classes)])
    right = (nearest(tested.images, means) == torch.as_tensor(test.labels[: len(tested.images)])).float().mean()  # type: ignore[index]
    if not bool(means.isfinite().all()) or float(right) < 0.8:
        raise CheckSkipped("unverified: the classes of this data can't be told apart by their mean images")
    return means


def nearest(images: Tensor, means: Tensor) -> Tensor:
    """Return which mean each image correlates with most: brightness says nothing."""
    images, means = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (images, means))
    return (images @ torch.nn.functional.normalize(means).T).argmax(1)
