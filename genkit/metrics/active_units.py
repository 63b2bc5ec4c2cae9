"""Active units: the number of latent dimensions that a model uses (Burda et al. 2015)."""

from __future__ import annotations

import numpy as np

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import checked
from genkit.results.score import Score


def active_units(evidence: Evidence) -> Score:
    """Return the number of latent dimensions with Var_x(E[z | x]) above the threshold, 0.01, over the test split.

    Burda et al. 2015, arXiv:1509.00519, section 5.2.
    """
    means = np.asarray(evidence.posterior_means).reshape(len(evidence.posterior_means), -1)
    return count_active(means, evidence.parameters["threshold"])


def count_active(means: np.ndarray, threshold: float = 0.01) -> Score:
    """Return the number of columns of posterior means [n, d] whose variance (ddof 1) is above ``threshold``.

    The interval is from a block jackknife: of zero width unless some dimension is near the threshold.
    """
    rows = np.asarray(checked(means, "posterior means", ndim=2), np.float64)
    blocks = jackknife.number_of_blocks(jackknife.BLOCKS, len(rows))

    def count(kept: np.ndarray) -> float:
        return float((kept.var(axis=0, ddof=1) > threshold).sum())

    labels = jackknife.block_of(len(rows), blocks)
    deleted = [count(rows[labels != b]) for b in range(blocks)]
    return jackknife.one_sample_score(count(rows), deleted, len(rows)).within(0.0, rows.shape[1])
