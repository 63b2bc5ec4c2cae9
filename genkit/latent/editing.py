"""Editing by projection: find the latent whose image, once degraded, looks like the target.

    minimise  ||A G(z) - y||^2 / (2 s^2)  -  w log p(z)  +  v ||f(A G(z)) - f(y)||^2        over z

G decodes latents z. A hides pixels (in-painting), averages squares of pixels (super-resolution) or does nothing
(denoising); f are an extractor's features (perceptual loss, Johnson et al. 2016, arXiv:1603.08155). Works for any model
with a latent space, as in Bora et al. 2017 (arXiv:1703.03209).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from genkit.data.images import in_range, well_formed
from genkit.errors import DataError, UsageError
from genkit.features.cache import Progress, quiet
from genkit.features.extractor import Extractor
from genkit.latent.pictures import classes_of
from genkit.latent.walks import draw_latents
from genkit.models.base import GenerativeModel


class Degradation:
    """The operator A that makes targets of images; this one is the identity, for denoising."""

    def __call__(self, images: Tensor) -> Tensor:
        """Return degraded images, given images [N, C, H, W]."""
        return images

    def known(self, target: Tensor) -> Tensor:
        """Return the known part of a target."""
        return target

    def guess(self, target: Tensor) -> Tensor:
        """Return a first guess of the original images."""
        return target

    def complete(self, target: Tensor, images: Tensor) -> Tensor:
        """Return the result, given the target's known part and the model's images."""
        return images


@dataclass(frozen=True)
class Masked(Degradation):
    """Hides the pixels where ``mask`` [H, W] is 0 and keeps those where it is 1, for in-painting."""

    mask: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return images with hidden pixels black."""
        return images * self.mask

    def known(self, target: Tensor) -> Tensor:
        """Return the target with hidden pixels black."""
        return self(target)

    def guess(self, target: Tensor) -> Tensor:
        """Return the target with hidden pixels grey."""
        return target + 0.5 * (1 - self.mask)

    def complete(self, target: Tensor, images: Tensor) -> Tensor:
        """Keep the known pixels and fill in the others."""
        return target + images * (1 - self.mask)


@dataclass(frozen=True)
class Averaged(Degradation):
    """Averages squares of ``factor`` x ``factor`` pixels, for super-resolution."""

    factor: int

    def __call__(self, images: Tensor) -> Tensor:
        """Return smaller images; raises UsageError if the factor does not divide their size."""
        if any(side % self.factor for side in images.shape[2:]):
            raise UsageError(f"images of {images.shape[2]}x{images.shape[3]} can't be made {self.factor} times smaller")
        return F.avg_pool2d(images, self.factor)

    def guess(self, target: Tensor) -> Tensor:
        """Return the target with every pixel repeated as a square."""
        return target.repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)


@dataclass(frozen=True)
class Search:
    """Settings of the search: ``steps`` of Adam from each of ``starts`` draws of the prior; the best result is kept.

    ``noise``: standard deviation s of pixels in [0, 1]; ``prior``: weight w of the latent's log-density;
    ``perceptual``: weight v of the distance between features, which needs an extractor. Raises UsageError for values
    out of range.
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
            raise UsageError("a search needs at least one step and one start")
        if not self.noise > 0 or self.prior < 0 or self.perceptual < 0:
            raise UsageError("noise must be above zero, and the weights of prior and features at least zero")


def search_latents(
    model: GenerativeModel,
    target: Tensor,
    degradation: Degradation,
    search: Search | None = None,
    *,
    extractor: Extractor | None = None,
    condition: Tensor | None = None,
    progress: Progress = quiet,
) -> Tensor:
    """Return images [N, C, H, W] in [0, 1] that best explain degraded targets: in-painted, enlarged or denoised.

    Arguments and errors are those of ``find_latents``.
    """
    _, images = find_latents(
        model, target, degradation, search, extractor=extractor, condition=condition, progress=progress
    )
    return degradation.complete(degradation.known(target.to(model.device)), images).clamp(0, 1)


def find_latents(
    model: GenerativeModel,
    target: Tensor,
    degradation: Degradation,
    search: Search | None = None,
    *,
    extractor: Extractor | None = None,
    condition: Tensor | None = None,
    progress: Progress = quiet,
) -> tuple[Tensor, Tensor]:
    """Return the latents whose images, once degraded, are closest to the targets, and these images [N, C, H, W].

    ``target``: degraded images [N, C, h, w] in [0, 1]; ``condition``: their classes [N], for conditional models. If the
    model encodes, one of the starts is the code of a first guess. The model is left in eval mode. Raises UsageError for
    a model without a latent space, or if only one of extractor and ``perceptual`` is given; DataError for targets of
    another shape.
    """
    search = search or Search()
    if (extractor is not None) != (search.perceptual > 0):
        raise UsageError("the weight of features and an extractor go together: give both or neither")
    target = target.to(model.device)
    expected = degradation(target.new_zeros(1, *model.data.shape))
    if expected.shape[1:] != target.shape[1:]:
        raise DataError(
            f"targets of shape {list(target.shape[1:])} must be of shape {list(expected.shape[1:])} for this model "
            "(channels, height, width): resize them first"
        )
    target = degradation.known(target)
    starts = _starts(model, degradation.guess(target), search)
    classes = None if condition is None else condition.to(model.device).repeat(search.starts)
    repeated = target.repeat(search.starts, 1, 1, 1)
    objective = _objective(model, degradation, repeated, search, extractor)
    latent = starts.clone().requires_grad_()
    optimizer = torch.optim.Adam([latent], lr=search.learning_rate)
    frozen = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_(False)
        for step in range(search.steps):
            optimizer.zero_grad()
            loss = objective(latent, _decode(model, latent, classes)).sum()
            loss.backward()
            optimizer.step()
            progress("steps", step + 1, search.steps)
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
    with torch.no_grad():
        images = in_range(_decode(model, latent, classes), f"images of {type(model).__name__}")
        losses = objective(latent, images).view(search.starts, -1)
        best = losses.argmin(0), torch.arange(len(target))
        found, drawn = (each.detach().view(search.starts, -1, *each.shape[1:])[best] for each in (latent, images))
        return found, drawn


def codes_of(model: GenerativeModel, images: Tensor, *, label: int | str | None = None, seed: int = 0) -> Tensor:
    """Return the latent of each image [N, C, H, W]: its code or, without an encoder, what ``find_latents`` finds.

    Raises UsageError for a model without a latent space, and for a conditional one without ``label``.
    """
    draw_latents(model, 1, seed)  # raises for a model without a latent space
    if model.conditional and label is None:
        raise UsageError("this model is conditional: give the class of the images by --class N, in Python label=N")
    encode = getattr(model, "encode", None)
    if encode is None:
        classes = classes_of(model, len(images), label) if model.conditional else None
        return find_latents(model, images, Degradation(), Search(seed=seed), condition=classes)[0]
    model.eval()
    with torch.no_grad():
        codes: Tensor = encode(images.to(model.device))
    return codes


def _starts(model: GenerativeModel, guess: Tensor, search: Search) -> Tensor:
    """Return initial latents [starts * N, ...]; the first N are the codes of a guess if the model encodes."""
    latents = draw_latents(model, search.starts * len(guess), search.seed)
    encode = getattr(model, "encode", None)
    if encode is not None:
        with torch.no_grad():
            latents[: len(guess)] = encode(guess)
    return latents


def _decode(model: GenerativeModel, latent: Tensor, classes: Tensor | None) -> Tensor:
    model.eval()
    decode = model.decode
    assert callable(decode)
    images = decode(latent, classes)
    return well_formed(images, (len(latent), *model.data.shape), f"images of {type(model).__name__}")


def _objective(
    model: GenerativeModel, degradation: Degradation, target: Tensor, search: Search, extractor: Extractor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function to minimise, of latents and their images; it has a value per image."""
    log_prior = getattr(model, "log_prior", None)
    if extractor is not None:
        extractor.accepts(tuple(target.shape[1:]))
    features = target if extractor is None else extractor.forward(255 * target)[0]

    def objective(latent: Tensor, images: Tensor) -> Tensor:
        degraded = degradation(images)
        loss = (degraded - target).square().flatten(1).sum(1) / (2 * search.noise**2)
        if log_prior is not None:
            loss = loss - search.prior * log_prior(latent)
        else:  # N(0, 1), without its constant
            loss = loss + search.prior * 0.5 * latent.square().flatten(1).sum(1)
        if extractor is not None:
            loss = loss + search.perceptual * (extractor.forward(255 * degraded)[0] - features).square().sum(1)
        return loss

    return objective
