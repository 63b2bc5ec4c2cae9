"""Precision, after Kynkaanniemi et al. 2019."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.neighbourhoods import neighbourhoods
from genkit.scores import Score


def precision(evidence: Evidence) -> Score:
    """Return precision, in [0, 1]; 1 is best (arXiv:1904.06991)."""
    return neighbourhoods(evidence).precision_recall(**evidence.parameters).precision
