"""CMMD: the squared maximum mean discrepancy of CLIP embeddings (Jayasumana et al. 2024, arXiv:2401.09603)."""

from __future__ import annotations

from typing import Any

import numpy as np

from genkit.metrics import jackknife
from genkit.metrics.arrays import checked_pair
from genkit.metrics.mmd import Sample, mmd, v_statistic
from genkit.metrics.moments import Array
from genkit.metrics.unit_vectors import check_directions, directions
from genkit.results.score import Score

_SIGMA = 10.0
_SCALE = 1000.0


def mmd_cmmd(real: Any, generated: Any, *, blocks: int = jackknife.BLOCKS) -> Score:
    """Return 1000 MMD^2 of two sets of embeddings, [n, d] and [m, d], under exp(-(x - y)^2 / (2 sigma^2)), sigma 10.

    CMMD where embeddings are CLIP's (Jayasumana et al. 2024, arXiv:2401.09603). Rows are first divided by their norms.
    0 is best and means the same set; at most 2000. ``value`` is the V-statistic of the paper and its code (Gretton et
    al. 2012, equation 5), biased upwards by about 10 / n; the interval is for the distance itself, with that bias
    removed by a two-sample block jackknife, so ``value`` may lie above it. Memory does not grow with n^2. Raises
    DataError or UsageError for features that can't be measured, and DataError for a row of zeros.
    """
    pair = checked_pair(real, generated, at_least=3)
    for rows, what in zip(pair, ("real", "generated"), strict=True):
        check_directions(rows, f"{what} features")
    one, two = pair
    count = jackknife.number_of_blocks(max(blocks, 3), len(one), len(two))
    values = _SCALE * mmd(Sample.whole(one, count), Sample.whole(two, count), _gaussian, v_statistic, count)[:, 0]
    deleted = values[1:].tolist()
    return jackknife.corrected_two_sample_score(
        max(float(values[0]), 0.0), deleted[:count], deleted[count:], n=len(two)
    ).within(high=2 * _SCALE)


def _gaussian(x: Array, y: Array) -> Array:
    """Return the kernel of the rows' directions, less 1: it drops out of MMD^2, and small differences keep digits."""
    one = directions(x)
    two = one if y is x else directions(y)
    kernel: Array = np.expm1((one @ two.T - 1) / _SIGMA**2)
    return kernel
