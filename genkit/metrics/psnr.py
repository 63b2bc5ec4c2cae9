"""PSNR: the peak signal-to-noise ratio of reconstructed test images."""

from __future__ import annotations

import numpy as np

from genkit.errors import Unmeasurable
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.metrics.numerics.reconstruction import squared_errors
from genkit.results.score import Score


def psnr(evidence: Evidence) -> Score:
    """Return the mean over the test split of -10 log10 of an image's squared error per pixel, in dB; higher is better.

    torchmetrics' definition with one ratio per image and range 1. Raises Unmeasurable for an exact reconstruction.
    """
    errors = squared_errors(evidence)
    if not errors.all():
        raise Unmeasurable(f"{int((errors == 0).sum())} images are reconstructed exactly, so their ratio is infinite")
    return mean_score(-10 * np.log10(errors))
