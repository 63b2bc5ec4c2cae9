"""MSE: the squared error of reconstructed test images."""

from __future__ import annotations

import numpy as np

from genkit.errors import DataError
from genkit.metrics.evidence import Evidence
from genkit.metrics.means import mean_score
from genkit.scores import Score

_ROWS = 1024


def mse(evidence: Evidence) -> Score:
    """Return the mean squared error per pixel and channel over the test split, range [0, 1]; 0 is best.

    Raises DataError if the reconstructions are not of the images' shape.
    """
    images, reconstructions = evidence.test_images, evidence.reconstructions
    if images.shape != reconstructions.shape:
        raise DataError(
            f"reconstructions have shape {list(reconstructions.shape)}, the test images {list(images.shape)}"
        )
    errors = [
        np.square(np.subtract(images[i : i + _ROWS], reconstructions[i : i + _ROWS], dtype=np.float64)).mean(
            axis=(1, 2, 3)
        )
        for i in range(0, len(images), _ROWS)
    ]
    return mean_score(np.concatenate(errors) if errors else np.empty(0))
