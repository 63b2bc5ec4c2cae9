"""Walks through a model's latent space: between two latents, and along single dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from genkit.data import Split
from genkit.errors import UsageError
from genkit.latent.given import picked
from genkit.latent.pictures import classes_of
from genkit.models.base import GenerativeModel
from genkit.models.conditions import mixed
from genkit.models.images import decoded, drawn, understood
from genkit.seeds import derive

ENCODED = 1000
"""Test images encoded to find the dimensions that a model uses."""
DRAWS = 1000
"""Latents drawn to estimate the prior's mean and standard deviation per dimension."""


def walk_between(
    model: GenerativeModel, walks: int, steps: int, *, seed: int = 0, label: int | str | None = None
) -> Tensor:
    """Return images [walks * steps, C, H, W] in [0, 1]: each walk leads from one random latent to another.

    Walks have ``steps`` images. With a conditional model each walk has one class: ``label``, or all classes in turn.
    Raises UsageError for a model without a latent space or fewer than 2 steps.
    """
    ends = draw_latents(model, 2 * walks, seed)
    return walk_latents(model, ends[:walks], ends[walks:], steps, label=label)


def walk_latents(
    model: GenerativeModel, begin: Tensor, end: Tensor, steps: int, *, label: int | str | None = None
) -> Tensor:
    """Return images [walks * steps, C, H, W] in [0, 1] from each latent ``begin`` to its ``end``, as ``walk_between``.

    Raises UsageError for fewer than 2 steps.
    """
    if steps < 2:
        raise UsageError(f"a walk needs at least 2 steps, not {steps}")
    walks = len(begin)
    path = torch.stack([slerp(begin, end, step / (steps - 1)) for step in range(steps)], dim=1)
    return decode_images(model, path.flatten(0, 1), classes_of(model, walks, label, repeats=steps))


def walk_prompts(model: GenerativeModel, prompts: Sequence[str], walks: int, steps: int, *, seed: int = 0) -> Tensor:
    """Return images [walks * steps, C, H, W] in [0, 1]: each walk is drawn with the same random numbers at every step.

    What the prompts say is mixed from the first through all to the last; each has a step of its own, as evenly apart as
    whole steps can be. Raises UsageError for a model that follows no prompts, or fewer steps than prompts.
    """
    if steps < len(prompts):
        raise UsageError(f"a walk through {len(prompts)} prompts needs at least as many steps, not {steps}")
    said, drawings = understood(model, prompts), []
    own = [int(row * (steps - 1) / (len(prompts) - 1) + 0.5) for row in range(len(prompts))]
    for place in np.interp(range(steps), own, range(len(prompts))).tolist():
        before = min(int(place), len(prompts) - 2)
        one, other = (said[torch.full((walks,), row, device=said.mask.device)] for row in (before, before + 1))
        generator = torch.Generator(model.device).manual_seed(derive(seed, "walk"))
        torch.manual_seed(derive(seed, "walk-global"))
        drawings.append(drawn(model, walks, generator=generator, condition=mixed(one, other, place - before)).cpu())
    return torch.stack(drawings, 1).flatten(0, 1)


def walk_along(
    model: GenerativeModel,
    dims: list[int],
    steps: int,
    *,
    span: float = 3.0,
    seed: int = 0,
    label: int | str | None = None,
) -> Tensor:
    """Return images [len(dims) * steps, C, H, W]: a row per dimension, over ``span`` standard deviations each way.

    Mean and standard deviation are the prior's, estimated from 1,000 draws, since a learned prior is not N(0, 1). The
    other dimensions stay at one random latent; the class of a conditional model is ``label``, or else the first one.
    Raises UsageError for a model without a latent space, an unknown dimension, or fewer than 2 steps.
    """
    if steps < 2:
        raise UsageError(f"a walk needs at least 2 steps, not {steps}")
    (start,) = draw_latents(model, 1, seed)
    flat = start.flatten()
    for dim in dims:
        if not 0 <= dim < len(flat):
            raise UsageError(f"there is no dimension {dim}: the latent has {len(flat)}, from 0")
    draws = draw_latents(model, DRAWS, seed).flatten(1)
    centre, deviation = draws.mean(0), draws.std(0)
    rows = flat.repeat(len(dims), steps, 1)
    for row, dim in zip(rows, dims, strict=True):
        offsets = torch.linspace(-span, span, steps, device=row.device, dtype=row.dtype)
        row[:, dim] = centre[dim] + offsets * deviation[dim]
    first = 0 if model.conditional and model.data.num_classes and label is None else label
    return decode_images(model, rows.view(-1, *start.shape), classes_of(model, len(dims), first, repeats=steps))


def most_used(model: GenerativeModel, count: int, test: Split) -> list[int]:
    """Return the ``count`` latent dimensions that vary most over codes of test images, in descending order.

    For a model that does not encode, return the first ``count``.
    """
    encode = getattr(model, "encode", None)
    size = draw_latents(model, 1, 0)[0].numel()
    if encode is None:
        return list(range(min(count, size)))
    model.eval()
    with torch.no_grad():
        codes = encode(test.images(np.sort(picked(test, ENCODED))).to(model.device))
    order: list[int] = codes.flatten(1).var(0).argsort(descending=True, stable=True).tolist()
    return order[:count]


def slerp(one: Tensor, two: Tensor, share: float) -> Tensor:
    """Return the latents at ``share`` of the way from ``one`` to ``two``, both [N, ...], by spherical interpolation.

    Directions follow the great circle, and lengths are interpolated linearly: a straight line between Gaussian latents
    passes through lengths that the prior practically never has (White 2016, arXiv:1609.04468).
    """
    a, b = one.flatten(1), two.flatten(1)
    lengths = [each.norm(dim=1, keepdim=True) for each in (a, b)]
    cosine = ((a / lengths[0]) * (b / lengths[1])).sum(1, keepdim=True).clamp(-1, 1)
    angle = cosine.acos()
    parts = [torch.sin((1 - share) * angle) / angle.sin(), torch.sin(share * angle) / angle.sin()]
    direction = parts[0] * a / lengths[0] + parts[1] * b / lengths[1]
    length = (1 - share) * lengths[0] + share * lengths[1]
    straight = (1 - share) * a + share * b  # for nearly parallel latents, where the great circle is 0 / 0
    result = torch.where(angle.sin() > 1e-4, direction * length, straight)
    return result.view_as(one)


def draw_latents(model: GenerativeModel, n: int, seed: int) -> Tensor:
    """Return ``n`` latents from the prior; raises UsageError for a model without a latent space."""
    draw = getattr(model, "draw_latent", None)
    if draw is None or getattr(model, "decode", None) is None:
        prompts = callable(getattr(model, "understand", None))
        hint = ": walk from prompt to prompt by genkit interpolate --from TEXT --to TEXT" if prompts else ""
        raise UsageError(f"{type(model).__name__} has no latent space to walk through{hint}")
    with torch.no_grad():  # a learned prior would add gradients
        latents: Tensor = draw(n, generator=torch.Generator(model.device).manual_seed(derive(seed, "latent")))
    return latents


def decode_images(model: GenerativeModel, latent: Tensor, classes: Tensor | None) -> Tensor:
    """Return a model's images of latents, in [0, 1]; raises PluginError for anything but such images."""
    return decoded(model, latent, classes if model.conditional else None)
