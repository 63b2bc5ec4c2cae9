"""Pairs of test images and their reconstructions, chunk by chunk, for the reconstruction metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError
from genkit.metrics.evidence import Evidence

if TYPE_CHECKING:
    from torch import Tensor

_ROWS = 256


def squared_errors(evidence: Evidence) -> NDArray[np.float64]:
    """Return the mean squared error of each test image, [n]; raises DataError for different shapes."""
    errors = [np.square(np.subtract(a, b, dtype=np.float64)).mean(axis=(1, 2, 3)) for a, b in pairs(evidence)]
    return np.concatenate(errors)


def per_image(evidence: Evidence, compare: Callable[[Tensor, Tensor], Tensor]) -> NDArray[np.float64]:
    """Return ``compare(reconstructions, images)`` of float32 tensors [n, C, H, W] in [0, 1], one value per image."""
    import torch

    values = []
    with torch.no_grad():
        for images, reconstructions in pairs(evidence):
            compared = compare(torch.from_numpy(np.array(reconstructions)), torch.from_numpy(np.array(images)))
            values.append(compared.double().reshape(-1).cpu().numpy())
    return np.concatenate(values)


def pairs(evidence: Evidence) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield test images and their reconstructions in chunks; raises DataError for different shapes."""
    images, reconstructions = evidence.test_images, evidence.reconstructions
    if images.shape != reconstructions.shape:
        raise DataError(
            f"reconstructions have shape {list(reconstructions.shape)}, the test images {list(images.shape)}"
        )
    for start in range(0, len(images), _ROWS):
        yield images[start : start + _ROWS], reconstructions[start : start + _ROWS]
