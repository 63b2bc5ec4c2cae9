"""Coverage, after Naeem et al. 2020."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.neighbourhoods import neighbourhoods
from genkit.scores import Score


def coverage(evidence: Evidence) -> Score:
    """Return coverage; about 1 is best (arXiv:2002.09797)."""
    return neighbourhoods(evidence).density_coverage(**evidence.parameters).coverage
