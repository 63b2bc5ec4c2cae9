"""SSIM: the structural similarity of reconstructed test images (Wang et al. 2004), by torchmetrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkit.errors import Unmeasurable
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.metrics.numerics.reconstruction import per_image
from genkit.results.score import Score

if TYPE_CHECKING:
    from torch import Tensor

WINDOW = 11
"""Height and width of the Gaussian window (sigma 1.5), in pixels."""


def ssim(evidence: Evidence) -> Score:
    """Return the mean structural similarity over the test split, at most 1; higher is better.

    Raises Unmeasurable for images smaller than the window of 11 pixels.
    """
    height, width = evidence.test_images.shape[2:]
    if min(height, width) < WINDOW:
        raise Unmeasurable(f"images of {height}x{width} are smaller than its window of {WINDOW} pixels")
    from torchmetrics.functional.image import structural_similarity_index_measure

    def compare(reconstructions: Tensor, images: Tensor) -> Tensor:
        similarity = structural_similarity_index_measure(reconstructions, images, data_range=1.0, reduction="none")
        assert not isinstance(similarity, tuple)
        return similarity

    return mean_score(per_image(evidence, compare)).within(-1.0, 1.0)
