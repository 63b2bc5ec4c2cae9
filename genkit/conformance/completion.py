"""Checks of ``complete``: known pixels stay, the others are drawn from what is known and the given generator."""

from __future__ import annotations

import torch
from torch import Tensor

from genkit.conformance.report import CheckSkipped, require
from genkit.conformance.sampling import require_valid_images
from genkit.conformance.under_test import ModelUnderTest, identical, shows_nothing
from genkit.errors import UsageError
from genkit.models.base import GenerativeModel, capabilities


def completions_valid(tested: ModelUnderTest) -> None:
    """Completed images are valid, keep known pixels, differ elsewhere by seed, and show nothing of what was hidden."""
    if "complete" not in capabilities(tested.cls):
        raise CheckSkipped("no complete")
    model, images = tested.trained, tested.images[:16]
    known = _hole(model, images)
    for labels in (True, False):
        condition = torch.arange(len(images)) % model.data.num_classes if labels and model.data.num_classes else None
        torch.manual_seed(1)
        first = _complete(model, images, known, 1, condition)
        require_valid_images(first, tuple(images.shape), "complete")
        keep = known.expand_as(images)
        require(bool((first[keep] == images[keep]).all()), "complete changes known pixels: return them as they were")
        torch.manual_seed(2)
        require(
            identical(first, _complete(model, images, known, 1, condition)),
            "complete draws from the global random state: pass the generator to every draw",
        )
        hidden = torch.where(known, images, 1 - images)
        require(
            identical(first, _complete(model, hidden, known, 1, condition)),
            "complete depends on the pixels that are not known: hide them from the model",
        )
        if identical(first, _complete(model, images, known, 2, condition)):
            if shows_nothing(torch.where(known, 0, first)):
                raise CheckSkipped("unverified: all that it draws is black and white alike")
            require(False, "complete returns the same images for another generator: draw what is not known")


def _hole(model: GenerativeModel, images: Tensor) -> Tensor:
    """Return masks of known pixels with a hole that the model takes: the lower half, the right half, or all."""
    refused = ""
    n, _, height, width = images.shape
    for rows, columns in ((height // 2, 0), (0, width // 2), (0, 0)):
        known = torch.ones(n, 1, height, width, dtype=torch.bool)
        known[:, :, rows:, columns:] = False
        try:
            _complete(model, images, known, 0, None)
        except UsageError as error:
            refused = str(error)
        else:
            return known
    raise CheckSkipped(f"unverified: refuses to complete images: {refused}")


def _complete(model: GenerativeModel, images: Tensor, known: Tensor, seed: int, condition: Tensor | None) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        result: Tensor = model.complete(images.clone(), known.clone(), generator=generator, condition=condition)  # type: ignore[operator]
    return result
