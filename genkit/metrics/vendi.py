"""The Vendi score: how many different examples a set amounts to (Friedman & Dieng 2023, arXiv:2210.02410)."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.metrics import jackknife
from genkit.metrics.arrays import checked
from genkit.metrics.moments import Array
from genkit.metrics.unit_vectors import check_directions, directions
from genkit.results.score import Score


def vendi(features: Any, *, blocks: int = jackknife.BLOCKS) -> Score:
    """Return exp of the entropy of the eigenvalues of K / n, K the cosines of the rows of features [n, d].

    The effective number of different rows (Friedman and Dieng 2023, arXiv:2210.02410).
    Between 1 (all rows are parallel) and min(n, d), higher is more diverse, of no matter what quality. It grows with n:
    compare sets of one size, which the interval, a block jackknife's, is for too. Computed by the smaller of the n x n
    and the d x d matrix of the same eigenvalues. Raises DataError or UsageError for features that can't be measured,
    and DataError for a row of zeros.
    """
    rows = checked(features, "features", ndim=2, at_least=3)
    check_directions(rows, "features")
    n, d = rows.shape
    count = jackknife.number_of_blocks(blocks, n)
    labels = jackknife.block_of(n, count)
    if n <= d:
        unit = directions(rows)
        cosines = unit @ unit.T
        kept = [np.flatnonzero(labels != block) for block in range(count)]
        deleted = [_effective_number(cosines[np.ix_(keep, keep)], len(keep)) for keep in kept]
        return jackknife.one_sample_score(_effective_number(cosines, n), deleted, n).within(1.0, n)
    parts = [rows[labels == block] for block in range(count)]
    whole: Array = functools.reduce(np.add, map(_outer, parts))
    deleted = [_effective_number(whole - _outer(part), n - len(part)) for part in parts]
    return jackknife.one_sample_score(_effective_number(whole, n), deleted, n).within(1.0, d)


def _outer(rows: NDArray[Any]) -> Array:
    unit = directions(rows)
    return unit.T @ unit


def _effective_number(matrix: Array, n: int) -> float:
    values = np.linalg.eigvalsh(matrix) / n
    values = values[values > 0]
    return math.exp(max(-float((values * np.log(values)).sum()), 0.0))
