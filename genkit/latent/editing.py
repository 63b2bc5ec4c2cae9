"""Editing by projection: the latent whose image, degraded as the target was, looks like the target.

    minimise  ||A G(z) - y||^2 / (2 s^2)  -  w log p(z)  +  v ||f(A G(z)) - f(y)||^2        over z

A hides pixels (in-painting), averages squares of them (super-resolution) or does nothing (denoising); f are an
extractor's features (perceptual loss, Johnson et al. 2016, arXiv:1603.08155). For any model with a latent space, as in
Bora et al. 2017 (arXiv:1703.03209).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from genkit.errors import DataError, UsageError
from genkit.features.extractor import Extractor
from genkit.latent.walks import drawn
from genkit.models.base import GenerativeModel

Progress = Callable[[str, int, int], None]


class Degradation:
    """What stands between an image and the target that is given of it; this one hides nothing, for denoising."""

    def __call__(self, images: Tensor) -> Tensor:
        """Return what is seen of images [N, C, H, W]."""
        return images

    def given(self, target: Tensor) -> Tensor:
        """Return the part of a target that counts."""
        return target

    def guess(self, target: Tensor) -> Tensor:
        """Return a first guess of the whole images."""
        return target

    def complete(self, target: Tensor, images: Tensor) -> Tensor:
        """Return the result, of what is given and what the model makes of it."""
        return images


@dataclass(frozen=True)
class Masked(Degradation):
    """Pixels are seen where ``mask``, [H, W] of zeros and ones, is one: in-painting."""

    mask: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return images with hidden pixels black."""
        return images * self.mask

    def given(self, target: Tensor) -> Tensor:
        """Return the target with hidden pixels black."""
        return self(target)

    def guess(self, target: Tensor) -> Tensor:
        """Return the target with hidden pixels grey."""
        return target + 0.5 * (1 - self.mask)

    def complete(self, target: Tensor, images: Tensor) -> Tensor:
        """Keep what is given, and fill in the rest."""
        return target + images * (1 - self.mask)


@dataclass(frozen=True)
class Averaged(Degradation):
    """Each pixel that is seen is the mean of a square of ``factor`` x ``factor``: super-resolution."""

    factor: int

    def __call__(self, images: Tensor) -> Tensor:
        """Return smaller images; raises UsageError where the factor does not divide their size."""
        if any(side % self.factor for side in images.shape[2:]):
            raise UsageError(f"images of {images.shape[2]}x{images.shape[3]} can't be made {self.factor} times smaller")
        return F.avg_pool2d(images, self.factor)

    def guess(self, target: Tensor) -> Tensor:
        """Return the target with each pixel as a square."""
        return target.repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)


@dataclass(frozen=True)
class Search:
    """How a latent is looked for: ``steps`` of Adam from each of ``starts`` draws of the prior, the best one taken.

    ``noise`` is the deviation s that is granted to pixels, ``prior`` the weight w of the latent's log-density, and
    ``perceptual`` the weight v of features, which needs an extractor.
    """

    steps: int = 300
    starts: int = 4
    learning_rate: float = 0.05
    noise: float = 0.1
    prior: float = 1.0
    perceptual: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.starts < 1:
            raise UsageError("a search has at least one step and one start")
        if not self.noise > 0 or self.prior < 0 or self.perceptual < 0:
            raise UsageError("the noise is above zero, the weights of prior and features are not below")


def search_latents(
    model: GenerativeModel,
    target: Tensor,
    degradation: Degradation,
    search: Search | None = None,
    *,
    extractor: Extractor | None = None,
    condition: Tensor | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Tensor:
    """Return images [N, C, H, W] in [0, 1] that explain targets: in-painted, enlarged or denoised.

    ``target`` is what ``degradation`` leaves of images, [N, C, h, w] in [0, 1]; ``condition`` their classes [N], for
    conditional models. A model that encodes begins one start from the code of what is given; it is left in eval mode.
    Raises UsageError for a model without a latent space or weights that make no sense, DataError for targets of
    another shape.
    """
    asked = search or Search()
    if (extractor is not None) != (asked.perceptual > 0):
        raise UsageError("a weight of features and an extractor go together: give both or neither")
    target = target.to(model.device)
    left = degradation(target.new_zeros(1, *model.data.shape))
    if left.shape[1:] != target.shape[1:]:
        raise DataError(
            f"targets of shape {list(target.shape[1:])} are not of {list(left.shape[1:])}, as they should be"
        )
    target = degradation.given(target)
    starts = _starts(model, degradation.guess(target), asked)
    classes = None if condition is None else condition.to(model.device).repeat(asked.starts)
    wanted = target.repeat(asked.starts, 1, 1, 1)
    objective = _objective(model, degradation, wanted, asked, extractor)
    latent = starts.clone().requires_grad_()
    optimizer = torch.optim.Adam([latent], lr=asked.learning_rate)
    frozen = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_(False)
        for step in range(asked.steps):
            optimizer.zero_grad()
            loss = objective(latent, _decode(model, latent, classes)).sum()
            loss.backward()
            optimizer.step()
            progress("steps", step + 1, asked.steps)
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
    with torch.no_grad():
        images = _decode(model, latent, classes)
        losses = objective(latent, images).view(asked.starts, -1)
        best = images.view(asked.starts, -1, *images.shape[1:])[losses.argmin(0), torch.arange(len(target))]
        return degradation.complete(target, best).clamp(0, 1)


def _starts(model: GenerativeModel, guess: Tensor, search: Search) -> Tensor:
    """Return latents [starts * N, ...], the first N of them the codes of a guess where the model encodes."""
    found = drawn(model, search.starts * len(guess), search.seed)
    encode = getattr(model, "encode", None)
    if encode is not None:
        with torch.no_grad():
            found[: len(guess)] = encode(guess)
    return found


def _decode(model: GenerativeModel, latent: Tensor, classes: Tensor | None) -> Tensor:
    model.eval()
    decode = model.decode
    assert callable(decode)
    images: Tensor = decode(latent, classes)
    return images


def _objective(
    model: GenerativeModel, degradation: Degradation, target: Tensor, search: Search, extractor: Extractor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function of latents and their images that is minimised, a value each."""
    log_prior = getattr(model, "log_prior", None)
    if extractor is not None:
        extractor.accepts(tuple(target.shape[1:]))
    seen = target if extractor is None else extractor.forward(255 * target)[0]

    def objective(latent: Tensor, images: Tensor) -> Tensor:
        left = degradation(images)
        loss = (left - target).square().flatten(1).sum(1) / (2 * search.noise**2)
        if log_prior is not None:
            loss = loss - search.prior * log_prior(latent)
        else:  # N(0, 1), up to its constant
            loss = loss + search.prior * 0.5 * latent.square().flatten(1).sum(1)
        if extractor is not None:
            loss = loss + search.perceptual * (extractor.forward(255 * left)[0] - seen).square().sum(1)
        return loss

    return objective
