"""MS-SSIM: structural similarity of reconstructed test images at five scales (Wang et al. 2003), by torchmetrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkit.errors import Unmeasurable
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.metrics.numerics.reconstruction import per_image
from genkit.metrics.ssim import WINDOW
from genkit.results.score import Score

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST = 16 * WINDOW
"""Pixels of an image that is halved four times and then still holds the window."""


def ms_ssim(evidence: Evidence) -> Score:
    """Return the mean multi-scale structural similarity over the test split, in [0, 1]; higher is better.

    The product over five scales, each of half the size, with the weights of Wang et al. 2003
    (doi:10.1109/ACSSC.2003.1292216); negative similarities count as 0, as in torchmetrics. Raises Unmeasurable for
    images smaller than 176 pixels.
    """
    height, width = evidence.test_images.shape[2:]
    if min(height, width) < SMALLEST:
        raise Unmeasurable(
            f"images of {height}x{width} are smaller than {SMALLEST} pixels: at the last of its 5 scales they would "
            f"not hold its window of {WINDOW} pixels"
        )
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    def compare(reconstructions: Tensor, images: Tensor) -> Tensor:
        return multiscale_structural_similarity_index_measure(
            reconstructions, images, data_range=1.0, reduction="none", normalize="relu"
        )

    return mean_score(per_image(evidence, compare)).within(0.0, 1.0)
