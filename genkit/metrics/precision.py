"""Precision: the share of samples that look real."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.neighbourhoods import ball_score
from genkit.results.score import Score


def precision(evidence: Evidence) -> Score:
    """Return the precision of the samples, in [0, 1]; 1 is best (arXiv:1904.06991)."""
    return ball_score(evidence, "precision")
