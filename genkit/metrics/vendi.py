"""Vendi score: the effective number of different samples (Friedman & Dieng 2023)."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import checked
from genkit.metrics.numerics.moments import Array
from genkit.metrics.numerics.unit_vectors import check_nonzero, normalised
from genkit.results.score import Score


def vendi_score(features: Any, *, blocks: int = jackknife.BLOCKS) -> Score:
    """Return exp of the entropy of the eigenvalues of K / n, where K is the cosine kernel of features [n, d].

    The effective number of different rows (Friedman and Dieng 2023, arXiv:2210.02410): between 1 (all rows are
    parallel) and min(n, d). Higher is more diverse, whatever the quality. It grows with n, so compare sets of one size;
    the interval, from a block jackknife, is for this size too. Computed from the smaller of the n x n and d x d
    matrices, which have the same eigenvalues. Raises DataError or UsageError for invalid features, and DataError for a
    row of zeros.
    """
    rows = checked(features, "features", ndim=2, at_least=3)
    check_nonzero(rows, "features")
    n, d = rows.shape
    count = jackknife.number_of_blocks(blocks, n)
    labels = jackknife.block_of(n, count)
    if n <= d:
        unit = normalised(rows)
        cosines = unit @ unit.T
        kept = [np.flatnonzero(labels != block) for block in range(count)]
        deleted = [_effective_number(cosines[np.ix_(keep, keep)], len(keep)) for keep in kept]
        return jackknife.one_sample_score(_effective_number(cosines, n), deleted, n).within(1.0, n)
    parts = [rows[labels == block] for block in range(count)]
    whole: Array = functools.reduce(np.add, map(_outer, parts))
    deleted = [_effective_number(whole - _outer(part), n - len(part)) for part in parts]
    return jackknife.one_sample_score(_effective_number(whole, n), deleted, n).within(1.0, d)


def vendi(evidence: Evidence) -> Score:
    """Return the Vendi score of the samples, between 1 and min(n, d); higher is more diverse."""
    return vendi_score(evidence.generated_features)


def _outer(rows: NDArray[Any]) -> Array:
    unit = normalised(rows)
    return unit.T @ unit


def _effective_number(matrix: Array, n: int) -> float:
    values = np.linalg.eigvalsh(matrix) / n
    values = values[values > 0]
    return math.exp(max(-float((values * np.log(values)).sum()), 0.0))
