"""Helpers to prepare a stage from the training images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from genkit.data import Split


def random_images(split: Split, n: int, generator: torch.Generator) -> Tensor:
    """Return ``n`` random images of a split, on the generator's device."""
    chosen = torch.randint(len(split), (n,), generator=generator, device=generator.device)
    return split.images(chosen.cpu().numpy()).to(generator.device)


@torch.no_grad()
def map_split(split: Split, function: Callable[[Tensor], Tensor], device: torch.device) -> Tensor:
    """Return a function's values for all images of a split, computed in chunks and concatenated."""
    return torch.cat([function(images.to(device)) for images in split.chunks(1024)])
