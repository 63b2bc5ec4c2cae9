"""Filling in by models that complete images themselves: what is missing is drawn, not searched for."""

from __future__ import annotations

import torch
from torch import Tensor

from genkit.features.cache import Progress, quiet
from genkit.latent.pictures import CHUNK
from genkit.models.base import GenerativeModel
from genkit.models.images import completed
from genkit.seeds import derive

HOLES = ("top", "bottom", "left", "right", "centre")
"""What may be filled in without a mask: half of an image, or the quarter in its middle."""


def known_around(hole: str, height: int, width: int) -> Tensor:
    """Return which pixels [height, width] a hole leaves, as 1 and 0."""
    rows = {"top": slice(0, height // 2), "bottom": slice(height - height // 2, height)}
    columns = {"left": slice(0, width // 2), "right": slice(width - width // 2, width)}
    middle = slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)
    whole = slice(None)
    known = torch.ones(height, width)
    known[middle if hole == "centre" else (rows.get(hole, whole), columns.get(hole, whole))] = 0
    return known


def complete(
    model: GenerativeModel,
    images: Tensor,
    known: Tensor,
    *,
    seed: int,
    condition: Tensor | None = None,
    progress: Progress = quiet,
) -> Tensor:
    """Return images [N, C, H, W] whose pixels are drawn where ``known`` [H, W] is 0, and the given ones elsewhere.

    ``condition`` has the classes [N] of what is drawn; the model chooses if it is left out. Raises UsageError for a
    hole that the model can't fill.
    """
    done: list[Tensor] = []
    for first in range(0, len(images), CHUNK):
        part = images[first : first + CHUNK].to(model.device)
        place = (known > 0.5).expand(len(part), 1, -1, -1).to(model.device)
        generator = torch.Generator(model.device).manual_seed(derive(seed, "complete", first))
        labels = None if condition is None else condition[first : first + CHUNK].to(model.device)
        drawn = completed(model, part, place, generator=generator, condition=labels)
        done.append(torch.where(place, part, drawn).cpu())
        progress("completing", min(first + CHUNK, len(images)), len(images))
    return torch.cat(done)
