"""MSE: the mean squared error of reconstructed test images."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.metrics.numerics.reconstruction import squared_errors
from genkit.results.score import Score


def mse(evidence: Evidence) -> Score:
    """Return the mean squared error per pixel and channel over the test split, pixels in [0, 1]; 0 is best.

    Raises DataError if the reconstructions have another shape than the images.
    """
    return mean_score(squared_errors(evidence)).within(0.0)
