"""What reconstruction and the bound on the log-likelihood promise of each image, whatever stands beside it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genkit.conformance.report import Skip, require
from genkit.conformance.sampling import sound_images
from genkit.conformance.subject import Subject
from genkit.models.base import GenerativeModel, capabilities

TOLERANCE = 1e-4
"""How far an image's result may move with its batch: arithmetic of other block sizes, nothing more."""


def reconstruct_sound(subject: Subject) -> None:
    """Reconstructions are images, and each depends on its own image only: no companions, batch size or chance."""
    model = _offering(subject, "reconstruct")
    images = subject.images
    whole = _reconstruct(model, images)
    sound_images(whole.clamp(0, 1) if _nearly(whole) else whole, tuple(images.shape), "reconstruct")
    first = whole[:1]
    torch.manual_seed(99)
    for what, companions in (
        ("its companions in the batch", torch.cat([images[:1], 1 - images[1:]])),
        ("the size of the batch", images[:1]),
        ("chance", images),
    ):
        moved = float((_reconstruct(model, companions)[:1] - first).abs().max())
        require(moved <= TOLERANCE, f"an image's reconstruction depends on {what} (it moves by {moved:.2g})")


def _nearly(images: Tensor) -> bool:
    """Whether images leave [0, 1] by rounding at most."""
    return bool(((images > -1e-6) & (images < 1 + 1e-6)).all())


def _reconstruct(model: GenerativeModel, images: Tensor) -> Tensor:
    with torch.no_grad():
        result: Tensor = model.reconstruct(images)  # type: ignore[operator]
    return result


def per_example(subject: Subject) -> None:
    """The bound is one finite number per image, and an image's number does not depend on its companions."""
    model = _offering(subject, "log_likelihood")
    images = subject.images
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
        for why, same in (
            (
                "companions in the batch",
                log_likelihood(model, torch.cat([images[:1], 1 - images[1:]]), samples=samples),
            ),
            ("chance outside of its generator", log_likelihood(model, images, samples=samples, outside=6)),
        ):
            moved = float((same[0] - bound[0]).abs())
            require(moved <= allowed, f"an image's {what} depends on its {why} (it moves by {moved:.3g} nats)")


def batch_size_invariant(subject: Subject) -> None:
    """The bound of a batch is on average that of its parts, to five standard errors: a last batch may be small."""
    model = _offering(subject, "log_likelihood")
    images = subject.images
    for size in (1, 5, len(images) // 2 + 3):
        differences = []
        for seed in range(4):
            whole = log_likelihood(model, images, seed=seed)
            generator = torch.Generator().manual_seed(seed)  # one for all parts: their draws are independent
            with torch.no_grad():
                parts = [model.log_likelihood(part, generator=generator) for part in images.split(size)]  # type: ignore[operator]
            differences.append((torch.cat(parts) - whole).double())
        moved = torch.stack(differences)
        error = float(moved.std()) / math.sqrt(moved.numel())
        require(
            abs(float(moved.mean())) <= 5 * error + 1e-3,
            f"log_likelihood in batches of {size} is {float(moved.mean()):+.3g} nats off that in one batch on average "
            f"(standard error {error:.2g}): an image's bound must not depend on the size of its batch",
        )


def importance_weighting_climbs(subject: Subject) -> None:
    """The importance-weighted bound is on average no lower than the ELBO, to four standard errors."""
    model = _offering(subject, "log_likelihood")
    images = subject.images
    elbo = torch.stack([log_likelihood(model, images, seed=seed) for seed in range(8)]).mean(0)
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
    """Return the model's bound under a seed of its generator, and of the global one, which must not matter."""
    torch.manual_seed(outside)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        bound: Tensor = model.log_likelihood(images, generator=generator, importance_samples=samples)  # type: ignore[operator]
    return bound


def _offering(subject: Subject, what: str) -> GenerativeModel:
    if what not in capabilities(subject.cls):
        raise Skip(f"no {what}")
    return subject.prepared()
