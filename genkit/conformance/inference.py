"""Checks that reconstructions and log-likelihoods are valid, and do not depend on the rest of the batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genkit.conformance.report import CheckSkipped, require
from genkit.conformance.sampling import require_valid_images
from genkit.conformance.under_test import ModelUnderTest
from genkit.models.base import GenerativeModel, capabilities

TOLERANCE = 1e-4
"""Largest change of an image's result with its batch: rounding alone."""


def reconstructions_valid(tested: ModelUnderTest) -> None:
    """Reconstructions are valid images, and depend on nothing but their own image: not on the batch, not on chance."""
    model = _offering(tested, "reconstruct")
    images = tested.images
    whole = _reconstruct(model, images)
    require_valid_images(whole.clamp(0, 1) if _within_rounding(whole) else whole, tuple(images.shape), "reconstruct")
    first = whole[:1]
    torch.manual_seed(99)
    for what, batch in (
        ("other images of the batch", torch.cat([images[:1], 1 - images[1:]])),
        ("the size of the batch", images[:1]),
        ("chance", images),
    ):
        moved = float((_reconstruct(model, batch)[:1] - first).abs().max())
        require(moved <= TOLERANCE, f"an image's reconstruction depends on {what} (it changes by {moved:.2g})")


def _within_rounding(images: Tensor) -> bool:
    """Whether images leave [0, 1] by rounding at most."""
    return bool(((images > -1e-6) & (images < 1 + 1e-6)).all())


def _reconstruct(model: GenerativeModel, images: Tensor) -> Tensor:
    with torch.no_grad():
        result: Tensor = model.reconstruct(images)  # type: ignore[operator]
    return result


def per_example(tested: ModelUnderTest) -> None:
    """The bound is one finite number per image, which does not depend on the other images of the batch."""
    model = _offering(tested, "log_likelihood")
    images = tested.images
    for samples in (1, 3):
        bound = log_likelihood(model, images, samples=samples)
        what = f"log_likelihood with {samples} importance sample{'s' if samples > 1 else ''}"
        require(isinstance(bound, Tensor), f"{what} returns {type(bound).__name__}, not a tensor")
        require(
            tuple(bound.shape) == (len(images),),
            f"{what} returns shape {list(bound.shape)}, not one number per image, [{len(images)}]",
        )
        require(bool(bound.isfinite().all()), f"{what} is not finite")
        allowed = TOLERANCE * max(1.0, float(bound[0].abs()))
        for cause, again in (
            (
                "other images of the batch",
                log_likelihood(model, torch.cat([images[:1], 1 - images[1:]]), samples=samples),
            ),
            ("global random state", log_likelihood(model, images, samples=samples, outside=6)),
        ):
            moved = float((again[0] - bound[0]).abs())
            require(moved <= allowed, f"an image's {what} depends on the {cause} (it changes by {moved:.3g} nats)")


def batch_size_invariant(tested: ModelUnderTest) -> None:
    """The bound does not depend on the size of the batch, on average and to five standard errors."""
    model = _offering(tested, "log_likelihood")
    images = tested.images
    for size in (1, 5, len(images) // 2 + 3):
        differences = []
        for seed in range(4):
            whole = log_likelihood(model, images, seed=seed)
            generator = torch.Generator().manual_seed(seed)  # one for all parts, so that their draws are independent
            with torch.no_grad():
                parts = [model.log_likelihood(part, generator=generator) for part in images.split(size)]  # type: ignore[operator]
            differences.append((torch.cat(parts) - whole).double())
            if bool((differences[-1].abs() <= 1e-3).all()):  # no chance in it
                break
        difference = torch.stack(differences)
        mean, error = float(difference.mean()), float(difference.std()) / math.sqrt(difference.numel())
        require(
            abs(mean) <= 5 * error + 1e-3,
            f"log_likelihood in batches of {size} is {mean:+.3g} nats off that in one batch, on average "
            f"(standard error {error:.2g}): an image's bound must not depend on the size of its batch",
        )


def importance_weighting_tightens(tested: ModelUnderTest) -> None:
    """The importance-weighted bound is on average not lower than the ELBO, to four standard errors."""
    model = _offering(tested, "log_likelihood")
    images = tested.images
    elbos = [log_likelihood(model, images, seed=seed) for seed in range(2)]
    if not torch.equal(*elbos):  # else there is no chance in it
        elbos += [log_likelihood(model, images, seed=seed) for seed in range(2, 8)]
    elbo = torch.stack(elbos).mean(0)
    for samples in (10, 50):
        weighted = log_likelihood(model, images, samples=samples, seed=100)
        gain = (weighted - elbo).double()
        error = float(gain.std()) / math.sqrt(len(gain))
        require(
            float(gain.mean()) >= -4 * error - 1e-3,
            f"with {samples} importance samples the bound is {-float(gain.mean()):.3g} nats below the ELBO on average "
            f"(standard error {error:.2g}); it must not be lower",
        )


def log_likelihood(
    model: GenerativeModel, images: Tensor, *, samples: int = 1, seed: int = 0, outside: int = 5
) -> Tensor:
    """Return the model's bound, for a seed of its generator and one of the global random state."""
    torch.manual_seed(outside)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        bound: Tensor = model.log_likelihood(images, generator=generator, importance_samples=samples)  # type: ignore[operator]
    return bound


def _offering(tested: ModelUnderTest, what: str) -> GenerativeModel:
    if what not in capabilities(tested.cls):
        raise CheckSkipped(f"no {what}")
    return tested.prepared()
