"""LPIPS: the perceptual distance between test images and their reconstructions (Zhang et al. 2018), by torchmetrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.metrics.numerics.perceptual import ALEX, similarity
from genkit.metrics.numerics.reconstruction import per_image
from genkit.results.score import Score

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST = 64
"""Smaller images are resized to this height and width: AlexNet's pooling would leave nothing of them."""


def lpips(evidence: Evidence) -> Score:
    """Return the mean perceptual distance over the test split, with AlexNet; 0 is best (arXiv:1801.03924).

    Grey images are repeated to three channels. Raises Unmeasurable without AlexNet's weights in the cache.
    """
    small = min(evidence.test_images.shape[2:]) < SMALLEST
    network = similarity(ALEX, resize=SMALLEST if small else None)

    def compare(reconstructions: Tensor, images: Tensor) -> Tensor:
        one, two = (part.expand(-1, 3, -1, -1).mul(2).sub(1) for part in (reconstructions, images))
        distance: Tensor = network(one, two)
        return distance

    return mean_score(per_image(evidence, compare)).within(0.0)
