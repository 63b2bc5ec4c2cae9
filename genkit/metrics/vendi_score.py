"""The Vendi score of the samples."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.vendi import vendi
from genkit.results.score import Score


def vendi_score(evidence: Evidence) -> Score:
    """Return the effective number of different samples, between 1 and n; higher is more diverse (arXiv:2210.02410)."""
    return vendi(evidence.generated.features)
