"""Checks that sampling returns valid images, draws from the given generator only and does not change the model."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from genkit.conformance.report import CheckFailed, CheckSkipped, require
from genkit.conformance.under_test import (
    ModelUnderTest,
    copied_state,
    first_of,
    identical,
    shows_nothing,
    unequal_names,
)
from genkit.models.base import GenerativeModel
from genkit.models.drawing import draw_with, drawing_options


def images_valid(tested: ModelUnderTest) -> None:
    """Samples are ``n`` finite float32 images of the data's shape in [0, 1]; for all shapes, also before training."""
    model = tested.prepared()
    for n in (1, 5, 16):
        for labels in (True,) if model.conditional else (True, False):
            require_valid_images(tested.sample(model, n, n, labels=labels), (n, *model.data.shape), "sample")
    for data in tested.buildable.values():
        other = tested.build(data.info())
        if other.phases() and type(other).prepare_stage is GenerativeModel.prepare_stage:
            require_valid_images(tested.sample(other.eval(), 3, 0), (3, *other.data.shape), "sample")


def require_valid_images(images: Tensor, shape: tuple[int, ...], what: str) -> None:
    """Raise CheckFailed unless images are float32, of this shape, finite and in [0, 1]."""
    require(isinstance(images, Tensor), f"{what} returns {type(images).__name__}, not a tensor")
    require(tuple(images.shape) == shape, f"{what} returns shape {list(images.shape)}, not {list(shape)}")
    require(images.dtype == torch.float32, f"{what} returns {images.dtype}, not torch.float32")
    require(bool(images.isfinite().all()), f"{what} returns values that are not finite")
    low, high = float(images.min()), float(images.max())
    require(low >= 0 and high <= 1, f"{what} returns values from {low:.3g} to {high:.3g}, outside [0, 1]")


def seeded(tested: ModelUnderTest) -> None:
    """Images depend on the generator's seed, and not on the global one."""
    model = tested.prepared()
    if shows_nothing(tested.sample(model, 8, 11)):
        model = tested.trained
    torch.manual_seed(1)
    first = tested.sample(model, 8, 11)
    torch.manual_seed(2)
    require(
        identical(first, tested.sample(model, 8, 11)),
        "sample draws from the global random state: pass the generator to every draw",
    )
    other = tested.sample(model, 8, 12)
    if shows_nothing(torch.cat([first, other])):
        raise CheckSkipped("unverified: all its samples are black and white alike")
    require(
        not identical(first, other),
        "sample returns the same images for another generator: draw from the generator",
    )


def classes_drawn(tested: ModelUnderTest) -> None:
    """A conditional model that is asked for no classes draws them itself, from the generator alone."""
    model = tested.prepared()
    if not (model.conditional and model.data.num_classes):
        raise CheckSkipped("draws no classes")
    drawn = []
    for n, seed, outside in ((1, 1, 1), (16, 11, 1), (16, 11, 2), (16, 12, 1)):
        torch.manual_seed(outside)
        try:
            images = tested.sample(model, n, seed, labels=False)
        except Exception as error:
            raise CheckFailed(
                f"sample without classes fails ({type(error).__name__}: {error}): with condition=None it draws them"
            ) from error
        require_valid_images(images, (n, *model.data.shape), "sample with condition=None")
        drawn.append(images)
    _, first, again, other = drawn
    require(
        identical(first, again),
        "sample with condition=None draws from the global random state: pass the generator to the draw of the classes",
    )
    if shows_nothing(torch.cat([first, other])):
        raise CheckSkipped("unverified: all its samples are black and white alike")
    require(not identical(first, other), "sample with condition=None returns the same images for another generator")


def uncached_equal(tested: ModelUnderTest) -> None:
    """``sample_uncached`` draws what ``sample`` draws, also guided, but for a rare choice that rounding tips over."""
    if not callable(getattr(tested.cls, "sample_uncached", None)):
        raise CheckSkipped("no sample_uncached")
    guided = [{"guidance": 2.0}] if "guidance" in drawing_options(tested.cls) else []
    for values in ({}, *guided):
        model = draw_with(copy.deepcopy(tested.trained), values, tested.name)
        labels = torch.arange(32) % model.data.num_classes if model.data.num_classes else None
        with torch.no_grad():
            generator = torch.Generator().manual_seed(4)
            whole = model.sample_uncached(32, generator=generator, condition=labels)  # type: ignore[operator]
        apart = (whole - tested.sample(model, 32, 4)).abs().flatten(1).amax(1) > 1e-3
        require(
            int(apart.sum()) <= 2,
            f"{int(apart.sum())} of 32 images differ between sample and sample_uncached"
            f"{' at guidance 2' if values else ''}: a position, mask or row of the cache is wrong",
        )


def state_unchanged(tested: ModelUnderTest) -> None:
    """Sampling in eval mode changes no parameter, no buffer and no module's mode."""
    model = tested.prepared()
    before = copied_state(model)
    modes = [module.training for module in model.modules()]
    tested.sample(model, 16, 0)
    changed = unequal_names(before, copied_state(model))
    require(not changed, f"sample changes {first_of(changed)}: it must leave the model as it was (no batch statistics)")
    require(
        modes == [module.training for module in model.modules()],
        "sample switches modules out of eval mode: leave it on",
    )
