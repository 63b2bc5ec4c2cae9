"""CMMD: the squared maximum mean discrepancy of CLIP embeddings (Jayasumana et al. 2024)."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from genkit.errors import UsageError
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import checked_pair
from genkit.metrics.numerics.mmd import Sample, mmd, v_statistic
from genkit.metrics.numerics.moments import Array
from genkit.metrics.numerics.repeats import Repeats, counted_once
from genkit.metrics.numerics.unit_vectors import check_nonzero, normalised
from genkit.results.score import Score

SIGMA = 10.0
"""The paper's width of the kernel."""

_SCALE = 1000.0


def cmmd_distance(real: Any, generated: Any, *, sigma: float = SIGMA, blocks: int = jackknife.BLOCKS) -> Score:
    """Return 1000 MMD^2 of two sets of embeddings, [n, d] and [m, d], under exp(-|x - y|^2 / (2 sigma^2)).

    CMMD if the embeddings are CLIP's and ``sigma``, in (0, inf), is 10 (Jayasumana et al. 2024, arXiv:2401.09603). Rows
    are first divided by their norms. Between 0, for identical sets, and 2000. ``value`` is the V-statistic of the paper
    and its code (Gretton et al. 2012, equation 5), biased upwards by about 10 / n at sigma 10; the interval, from a
    two-sample block jackknife, is for its average over other sets of these sizes. Memory does not grow with n^2. Raises
    DataError or UsageError for invalid features, and DataError for a row of zeros.
    """
    if not 0 < sigma < math.inf:
        raise UsageError(f"sigma is the width of the kernel, a number above 0, not {sigma}")
    pair = checked_pair(real, generated, at_least=3)
    for rows, what in zip(pair, ("real", "generated"), strict=True):
        check_nonzero(rows, f"{what} features")
    one, two = pair
    repeats = Repeats.of(one), Repeats.of(two)
    count = jackknife.number_of_blocks(max(blocks, 3), *(each.independent for each in repeats))
    kernel = functools.partial(_gaussian, sigma=sigma)
    samples = Sample(one, repeats[0].blocks(count)), Sample(two, repeats[1].blocks(count))
    values = _SCALE * mmd(*samples, kernel, v_statistic, count)[:, 0]
    deleted = values[1:].tolist()
    value = max(float(values[0]), 0.0)
    note = counted_once(real=repeats[0], generated=repeats[1])
    score = jackknife.two_sample_score(value, deleted[:count], deleted[count:], len(two), note=note)
    return score.within(0.0, 2 * _SCALE)


def cmmd(evidence: Evidence) -> Score:
    """Return CMMD of the samples; 0 is best. The paper takes CLIP features (``--features clip``)."""
    return cmmd_distance(evidence.real_features, evidence.generated_features, **evidence.parameters)


def _gaussian(x: Array, y: Array, sigma: float) -> Array:
    """Return the kernel of the normalised rows minus 1: the 1 cancels in MMD^2, and small differences keep digits."""
    one = normalised(x)
    two = one if y is x else normalised(y)
    kernel: Array = np.expm1((one @ two.T - 1) / sigma**2)
    return kernel
