"""Signs that a training has collapsed or diverged, read off what is drawn and logged anyway: nothing in it changes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from genkit.data.dataset import Split
from genkit.data.images import ROUNDING
from genkit.training.config import RunConfig

NEAR = 0.05
"""Two images count as much alike as their squared distance is below this share of the mean one between real images."""
FEW = 0.02
"""Fewer different samples than this share of the different real images are a collapse."""
EXTREME = 0.99
"""A share of black and white pixels that only a diverged network draws, unless the data is like that."""
LARGE = 64
"""Larger images are compared at this size."""
YOUNG = "has hardly been trained"
LITTLE = 10_000
"""What may be wrong instead of a collapse, and the training images up to which it is likelier."""
HUGE = 1e9
"""No loss of a model that learns is larger, nor a logit."""


class Trouble:
    """Compares samples with as many training images, evenly chosen; only the numbers of those are kept."""

    def __init__(self, train: Split, count: int, classes: int) -> None:
        places = np.unique(np.linspace(0, len(train) - 1, min(count, len(train))).round().astype(np.int64))
        real = train.images(places)
        flat = small(real).flatten(1).double()
        self._scale = NEAR * max(2 * float(flat.var(0).sum()) if len(flat) > 1 else 0.0, 1e-12)
        self._different = different(real, self._scale)
        self._extreme = extreme(real)
        per_class = 1.2 * classes
        self._few = max(FEW * self._different, per_class if per_class < self._different / 4 else 0.0)

    def found(self, samples: Tensor) -> str:
        """Return what is wrong with samples [N, C, H, W], in words; empty if nothing is."""
        samples = samples.detach().cpu().float()
        if not bool(samples.isfinite().all()):
            return "samples hold values that are not finite"
        low, high = (float(each) for each in samples.aminmax())
        if low < -ROUNDING or high > 1 + ROUNDING:
            return f"samples have values from {low:.4g} to {high:.4g}, outside [0, 1]: they can't be measured"
        count = different(samples, self._scale)
        if count < self._few:
            return (
                f"{len(samples)} samples count as {count:.1f} different images, as many training images as "
                f"{self._different:.0f}: the model has collapsed, or {YOUNG}"
            )
        if extreme(samples) > EXTREME > self._extreme + 0.05:
            return (
                f"{extreme(samples):.0%} of the samples' pixels are black or white, {self._extreme:.0%} in the data: "
                "the model has diverged"
            )
        return ""


def huge(logged: Mapping[str, float]) -> str:
    """Return which logged means, of losses and logits, are too large for a sound model; empty if none is."""
    large = [f"{name} is {value:.1e}" for name, value in logged.items() if abs(value) > HUGE]
    return f"{' and '.join(large[:2])}: the model has diverged" if large else ""


def different(images: Tensor, scale: float) -> float:
    """Return how many different images there are, 1 to N: the Vendi score of order 2 under a Gaussian kernel.

    The kernel of two images is exp(-d^2 / (2 scale)) with their squared distance d^2. Order 2 needs no eigenvalues
    (Pasarkar and Dieng 2023, arXiv:2310.12952): N^2 / sum of the kernel's squares.
    """
    flat = small(images).flatten(1).double()
    kernel = torch.exp(-torch.cdist(flat, flat).square() / (2 * scale))
    return len(flat) ** 2 / float(kernel.square().sum())


def small(images: Tensor) -> Tensor:
    """Return images [N, C, H, W] with sides of at most ``LARGE``: 100 of 512 x 512 would be .6 GB of numbers."""
    if max(images.shape[2:]) <= LARGE:
        return images
    return interpolate(images, size=[min(LARGE, side) for side in images.shape[2:]], mode="area")


def extreme(images: Tensor) -> float:
    """Return the share of pixels within half a level of 0 or 1."""
    return float((images - 0.5).abs().gt(0.5 - 1 / 512).double().mean())


def smaller_rate(config: RunConfig) -> list[str]:
    """Return advice to lower the learning rate, if the model has one."""
    rate = config.options.get("learning_rate")
    if rate is None:
        return []
    return [f"try a smaller learning rate in a new run, e.g. -o learning_rate={min(rate / 10, 1e-3):g}"]
