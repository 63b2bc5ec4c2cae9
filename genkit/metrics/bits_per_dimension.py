"""Bits per dimension of test images, for models that give a probability to the data's own levels."""

from __future__ import annotations

import math

from genkit.errors import Unmeasurable
from genkit.metrics.bits_per_dim import bits_per_dim
from genkit.metrics.evidence import Evidence
from genkit.results.score import Score


def bits_per_dimension(evidence: Evidence) -> Score:
    """Return -log2 p(x) per pixel and channel over the test split, a bound from above; lower is better.

    Raises Unmeasurable for a model of densities or of binarised images, or of another number of levels than the
    data has: their bits are of something else.
    """
    observation, levels = evidence.model.observation, evidence.test.levels
    if not observation.startswith("discretized") or not observation.endswith(f"-{levels}"):
        raise Unmeasurable(f"its likelihood, {observation}, is not of the data's {levels} levels")
    dims = math.prod(evidence.test.pixels.shape[1:])
    return bits_per_dim(evidence.log_likelihood(evidence.parameters["importance_samples"]), dims, levels)
