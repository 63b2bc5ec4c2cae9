"""Real images with a known corruption, blur or JPEG: they show how a metric responds to it."""

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
    """A split whose images are corrupted as they are read, so only those in use are in memory.

    ``pixels`` are the original split's.
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
    """Return a split with Gaussian blur; ``sigma`` is in pixels."""

    def blur(image: Image) -> Image:
        from PIL import ImageFilter

        return image.filter(ImageFilter.GaussianBlur(sigma))

    return _corrupted(split, f"blurred sigma={sigma}", blur)


def jpeg(split: Split, quality: int) -> Corrupted:
    """Return a split with JPEG compression of ``quality`` 1 .. 95; grey images stay grey."""

    def compress(image: Image) -> Image:
        from PIL import Image as Images

        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Images.open(file)

    return _corrupted(split, f"jpeg quality={quality}", compress)


def _corrupted(split: Split, description: str, corruption: Callable[[Image], Image]) -> Corrupted:
    """Name the split after its corruption, as cached features are found by that name."""
    return Corrupted(
        f"{split.name} {description}",
        split.pixels,
        split.labels,
        split.levels,
        split.order,
        split.captions,
        split.names,
        split.sizes,
        corruption,
    )
