"""Real images under a corruption that everyone knows: what a distance makes of blur and of JPEG's blocks."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genkit.data import Split

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Corrupted(Split):
    """A split whose images are corrupted as they are read: no more are in memory than are asked for.

    ``pixels`` are those of the split that it is made of, for their shape.
    """

    corruption: Callable[[Image], Image] = lambda image: image

    def images(self, indices: slice | NDArray[np.int64]) -> Tensor:
        """Return float32 images [n, C, H, W] in [0, 1]."""
        return torch.from_numpy(self.uint8(indices)).float().div_(255)

    def uint8(self, indices: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return images as uint8 [n, C, H, W] in 0 .. 255."""
        from PIL import Image

        images = super().uint8(indices)
        for image in images:
            shown: Any = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
            corrupted = np.asarray(self.corruption(Image.fromarray(shown)))
            image[:] = corrupted if len(image) == 1 else corrupted.transpose(2, 0, 1)
        return images


def blurred(split: Split, sigma: float) -> Corrupted:
    """Return a split under a Gaussian blur of ``sigma`` pixels."""

    def blur(image: Image) -> Image:
        from PIL import ImageFilter

        return image.filter(ImageFilter.GaussianBlur(sigma))

    return _corrupted(split, f"blurred sigma={sigma}", blur)


def jpeg(split: Split, quality: int) -> Corrupted:
    """Return a split after JPEG of a ``quality`` of 1 .. 95; grey images stay grey."""

    def compress(image: Image) -> Image:
        from PIL import Image as Images

        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Images.open(file)

    return _corrupted(split, f"jpeg quality={quality}", compress)


def _corrupted(split: Split, how: str, corruption: Callable[[Image], Image]) -> Corrupted:
    """The name says what was done: features in the cache are known by it."""
    return Corrupted(f"{split.name} {how}", split.pixels, split.labels, split.levels, split.order, corruption)
