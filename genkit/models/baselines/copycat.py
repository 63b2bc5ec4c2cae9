"""Copies of training images: the smallest possible distance to the training set, without any generation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from genkit.data.dataset import DataInfo
from genkit.models.base import GenerativeModel, Step

if TYPE_CHECKING:
    from genkit.data import Split


@dataclass
class CopycatOptions:
    """``keep``: largest number of training images kept, evenly spaced over the training split."""

    keep: Annotated[int, Ge(1)] = 10_000


class Copycat(GenerativeModel):
    """Draws training images with replacement, to show how each metric scores memorisation."""

    Options = CopycatOptions
    images: Tensor

    def __init__(self, options: CopycatOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        kept = min(options.keep, data.num_train)
        self.register_buffer("images", torch.zeros(kept, *data.shape, dtype=torch.uint8))

    def prepare_stage(self, stage: int, train_data: Split, step: Step) -> None:
        """Store training images as integer levels, evenly spaced since data may be sorted by class."""
        places = np.linspace(0, len(train_data) - 1, len(self.images)).round().astype(np.int64)
        self.images.copy_(torch.from_numpy(np.ascontiguousarray(train_data.pixels[places])))

    def sample(self, n: int, *, generator: torch.Generator, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` of the kept images, with replacement."""
        chosen = torch.randint(len(self.images), (n,), generator=generator, device=self.device)
        return self.images[chosen].float().div(self.data.levels - 1)
