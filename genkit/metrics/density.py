"""Density: how many real neighbourhoods a sample lies in."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.neighbourhoods import ball_score
from genkit.results.score import Score


def density(evidence: Evidence) -> Score:
    """Return the density of the samples, about 1 for equal distributions (arXiv:2002.09797)."""
    return ball_score(evidence, "density")
