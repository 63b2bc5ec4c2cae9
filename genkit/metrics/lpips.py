"""LPIPS: the perceptual distance of reconstructed test images, by torchmetrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkit.metrics.evidence import Evidence
from genkit.metrics.means import mean_score
from genkit.metrics.perceptual import ALEX, similarity
from genkit.metrics.reconstruction import per_image
from genkit.results.score import Score

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST = 64
"""Images are enlarged to at least this height and width: AlexNet's pooling leaves nothing of smaller ones."""


def lpips(evidence: Evidence) -> Score:
    """Return the mean perceptual distance over the test split, AlexNet, 0 is best (arXiv:1801.03924).

    Grey images are repeated to three channels. Raises Unmeasurable without AlexNet's weights in the cache.
    """
    small = min(evidence.test_images.shape[2:]) < SMALLEST
    network = similarity(ALEX, resize=SMALLEST if small else None)

    def compare(reconstructions: Tensor, images: Tensor) -> Tensor:
        one, two = (part.expand(-1, 3, -1, -1).mul(2).sub(1) for part in (reconstructions, images))
        distance: Tensor = network(one, two)
        return distance

    return mean_score(per_image(evidence, compare)).within(0.0)
