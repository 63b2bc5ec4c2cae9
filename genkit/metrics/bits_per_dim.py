"""Bits per dimension: what a model needs to code each value of an image without loss."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from genkit.errors import DataError, UsageError
from genkit.metrics.arrays import checked
from genkit.metrics.means import mean_score
from genkit.results.score import Score


def bits_per_dim(log_likelihood: Any, dims: int, levels: int = 256) -> Score:
    """Return the mean of -log p / (dims ln 2) in bits, lower is better; log2(levels) is what uniform noise costs.

    Theis et al. 2016, arXiv:1511.01844, section 3.1. ``log_likelihood`` [n], in nats, is of images of ``dims`` values
    (channels x height x width) under a discrete likelihood over the data's own ``levels`` (256 for photographs, 17 for
    the embedded digits), or bounds it from below; a density has no bits. The interval is Student's. Raises DataError
    for a log likelihood above 0, which only a density has, DataError or UsageError for values that are not a vector of
    at least 2 finite numbers, and UsageError for fewer than 1 dimension or 2 levels.
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
