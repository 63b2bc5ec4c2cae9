"""What sampling promises: images of the right kind, drawn from the given generator alone, a model left as it was."""

from __future__ import annotations

import torch
from torch import Tensor

from genkit.conformance.report import require
from genkit.conformance.subject import Subject, differing, same, some, tensors_of
from genkit.models.base import GenerativeModel


def images_sound(subject: Subject) -> None:
    """As many images as asked for, float32 of the data's shape, finite and in [0, 1]; on all shapes before training."""
    model = subject.prepared()
    for n in (1, 5, 16):
        for labels in (True, False):
            sound_images(subject.sample(model, n, n, labels=labels), (n, *model.data.shape), "sample")
    for data in subject.buildable.values():
        other = subject.build(data.info())
        if other.phases() and type(other).prepare_stage is GenerativeModel.prepare_stage:
            sound_images(subject.sample(other.eval(), 3, 0), (3, *other.data.shape), "sample")


def sound_images(images: Tensor, shape: tuple[int, ...], what: str) -> None:
    """Raise Broken unless images are float32 of a shape, finite and in [0, 1]."""
    require(isinstance(images, Tensor), f"{what} returns {type(images).__name__}, not a tensor")
    require(tuple(images.shape) == shape, f"{what} returns shape {list(images.shape)}, not {list(shape)}")
    require(images.dtype == torch.float32, f"{what} returns {images.dtype}, not torch.float32")
    require(bool(images.isfinite().all()), f"{what} returns values that are not finite")
    low, high = float(images.min()), float(images.max())
    require(low >= 0 and high <= 1, f"{what} returns values from {low:.3g} to {high:.3g}, outside [0, 1]")


def seeded(subject: Subject) -> None:
    """One generator seed gives the same images whatever the global seed, another one gives others."""
    model = subject.prepared()
    torch.manual_seed(1)
    first = subject.sample(model, 8, 11)
    torch.manual_seed(2)
    require(
        same(first, subject.sample(model, 8, 11)),
        "sample draws from the global random state: pass the generator to every draw",
    )
    require(
        not same(first, subject.sample(model, 8, 12)),
        "sample returns the same images for another generator: draw from the generator",
    )


def state_unchanged(subject: Subject) -> None:
    """Sampling in eval mode leaves every parameter, buffer and the mode of every module as they were."""
    model = subject.prepared()
    before = tensors_of(model)
    modes = [module.training for module in model.modules()]
    subject.sample(model, 16, 0)
    changed = differing(before, tensors_of(model))
    require(not changed, f"sample changes {some(changed)}: it must leave the model as it was (no batch statistics)")
    require(
        modes == [module.training for module in model.modules()],
        "sample switches modules to another mode: leave eval mode on",
    )
