"""Vendi score: the effective number of different samples (Friedman & Dieng 2023)."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import UsageError
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import checked
from genkit.metrics.numerics.moments import Array
from genkit.metrics.numerics.repeats import Repeats, counted_once
from genkit.metrics.numerics.unit_vectors import check_nonzero, normalised
from genkit.results.score import Score


def vendi_score(features: Any, *, q: float = 1.0, blocks: int = jackknife.BLOCKS) -> Score:
    """Return exp of the entropy of the eigenvalues of K / n, where K is the cosine kernel of features [n, d].

    The effective number of different rows (Friedman and Dieng 2023, arXiv:2210.02410): between 1 (all rows are
    parallel) and min(n, d). Higher is more diverse, whatever the quality. ``q``, above 0, is the order of the entropy
    (Renyi's; 1 is Shannon's): a higher one counts the common kinds more (Pasarkar and Dieng 2024, arXiv:2310.12952). It
    grows with n, so compare sets of one size; the interval, from a block jackknife, is for this size too. Computed from
    the smaller of the n x n and d x d matrices, which have the same eigenvalues. Raises DataError or UsageError for
    invalid features, and DataError for a row of zeros, unless all are, which are one kind of row.
    """
    if not q > 0:
        raise UsageError(f"q is the order of the entropy, a number above 0, not {q}")
    rows = checked(features, "features", ndim=2, at_least=3)
    n, d = rows.shape
    repeats = Repeats.of(rows)
    count = jackknife.number_of_blocks(blocks, repeats.independent)
    if not rows.any():
        return jackknife.one_sample_score(1.0, [1.0] * count, n)
    check_nonzero(rows, "features")
    labels, note = repeats.blocks(count), counted_once(features=repeats)
    if n <= d:
        unit = normalised(rows)
        cosines = unit @ unit.T
        kept = [np.flatnonzero(labels != block) for block in range(count)]
        deleted = [_effective_number(cosines[np.ix_(keep, keep)], len(keep), q) for keep in kept]
        return jackknife.one_sample_score(_effective_number(cosines, n, q), deleted, n, note=note).within(1.0, n)
    parts = [rows[labels == block] for block in range(count)]
    whole: Array = functools.reduce(np.add, map(_outer, parts))
    deleted = [_effective_number(whole - _outer(part), n - len(part), q) for part in parts]
    return jackknife.one_sample_score(_effective_number(whole, n, q), deleted, n, note=note).within(1.0, d)


def vendi(evidence: Evidence) -> Score:
    """Return the Vendi score of the samples, between 1 and min(n, d); higher is more diverse."""
    return vendi_score(evidence.generated_features, **evidence.parameters)


def _outer(rows: NDArray[Any]) -> Array:
    unit = normalised(rows)
    return unit.T @ unit


def _effective_number(matrix: Array, n: int, q: float) -> float:
    values = np.linalg.eigvalsh(matrix) / n
    values = values[values > 0]
    if math.isinf(q):
        return 1 / float(values.max())
    if q != 1:
        top = float(values.max())  # taken out, as the powers of small numbers underflow
        powers = math.log(float(((values / top) ** q).sum())) + q * math.log(top)
        return max(math.exp(powers / (1 - q)), 1.0)
    return math.exp(max(-float((values * np.log(values)).sum()), 0.0))
