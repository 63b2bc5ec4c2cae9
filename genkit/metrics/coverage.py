"""Coverage: the share of real neighbourhoods that contain a sample (Naeem et al. 2020)."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.prdc import prdc_score
from genkit.results.score import Score


def coverage(evidence: Evidence) -> Score:
    """Return the coverage of the samples, in [0, 1]; 1 is best (arXiv:2002.09797)."""
    return prdc_score(evidence, "coverage")
