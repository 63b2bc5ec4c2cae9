"""MSE: the squared error of reconstructed test images."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.means import mean_score
from genkit.metrics.reconstruction import squared_errors
from genkit.results.score import Score


def mse(evidence: Evidence) -> Score:
    """Return the mean squared error per pixel and channel over the test split, range [0, 1]; 0 is best.

    Raises DataError if the reconstructions are not of the images' shape.
    """
    return mean_score(squared_errors(evidence)).within(0.0)
