"""Density: the mean number of real neighbourhoods that a sample lies in, over k (Naeem et al. 2020)."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.prdc import prdc_score
from genkit.results.score import Score


def density(evidence: Evidence) -> Score:
    """Return the density of the samples, about 1 for equal distributions (arXiv:2002.09797)."""
    return prdc_score(evidence, "density")
