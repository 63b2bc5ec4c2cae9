"""Precision: the share of samples that lie on the manifold of real images (Kynkaanniemi et al. 2019)."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.prdc import prdc_score
from genkit.results.score import Score


def precision(evidence: Evidence) -> Score:
    """Return the precision of the samples, in [0, 1]; 1 is best (arXiv:1904.06991)."""
    return prdc_score(evidence, "precision")
