"""The mean of one value per example, with an interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import checked
from genkit.results.intervals import t_quantile
from genkit.results.score import Score


def mean_score(values: Any, *, blocks: int = jackknife.BLOCKS) -> Score:
    """Return the mean of ``values`` [n] with a 95 % Student's t interval, in the unit of the values.

    Replicates are the means without each block, so that two models can be paired over the same examples. Raises
    DataError or UsageError for values that are not a vector of at least 2 finite numbers.
    """
    array = np.asarray(checked(values, "values", ndim=1), np.float64)
    n = len(array)
    count = jackknife.number_of_blocks(blocks, n)
    labels = jackknife.block_of(n, count)
    mean = float(array.mean())
    sums, sizes = (
        np.bincount(labels, weights=array - mean, minlength=count),
        np.bincount(labels, minlength=count),
    )
    deleted = mean + (sums.sum() - sums) / (n - sizes)
    stderr = float(array.std(ddof=1)) / math.sqrt(n)
    half = t_quantile(n - 1) * stderr
    return Score(mean, stderr, mean - half, mean + half, "t interval", n, tuple(deleted.tolist()))
