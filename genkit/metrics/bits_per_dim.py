"""Bits per dimension: the cost of coding an image without loss, per pixel and channel."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from genkit.errors import DataError, Unmeasurable, UsageError
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.arrays import checked
from genkit.metrics.numerics.means import mean_score
from genkit.results.score import Score


def bits_per_dimension(log_likelihood: Any, dims: int, levels: int = 256) -> Score:
    """Return the mean of -log p / (dims ln 2) in bits; lower is better, uniform noise costs log2(levels).

    Theis et al. 2016, arXiv:1511.01844, section 3.1. ``log_likelihood`` [n] holds log-likelihoods in nats, or lower
    bounds on them, of images of ``dims`` values (channels x height x width), under a discrete distribution over the
    data's own ``levels`` (256 for photographs, 17 for the embedded digits); a density has no bits. The interval is
    Student's t. Raises DataError for a log-likelihood above 0, which only a density can have, DataError or UsageError
    for values that are not a vector of at least 2 finite numbers, and UsageError for fewer than 1 dimension or 2
    levels.
    """
    if dims < 1 or levels < 2:
        raise UsageError(f"bits per dimension need 1 dimension and 2 levels or more, not {dims} and {levels}")
    nats = np.asarray(checked(log_likelihood, "log likelihoods", ndim=1), np.float64)
    if nats.max() > 0:
        raise DataError(
            f"a log likelihood of {nats.max():.4g} is above 0, so it is a density's, which has no bits per dimension: "
            f"discretise the model over the data's {levels} levels"
        )
    score = mean_score(-nats / (dims * math.log(2))).within(0.0)
    return dataclasses.replace(score, note=f"uniform over {levels} levels: {math.log2(levels):.4g}")


def bits_per_dim(evidence: Evidence) -> Score:
    """Return -log2 p(x) per pixel and channel over the test split, an upper bound; lower is better.

    Raises Unmeasurable for a density, binarised images, or a number of levels other than the data's: those bits are
    not comparable.
    """
    observation, levels = evidence.model.observation, evidence.test.levels
    if not observation.startswith("discretized") or not observation.endswith(f"-{levels}"):
        raise Unmeasurable(f"its likelihood, {observation}, is not of the data's {levels} levels")
    dims = math.prod(evidence.test.pixels.shape[1:])
    return bits_per_dimension(evidence.log_likelihood(evidence.parameters["importance_samples"]), dims, levels)
