"""MiFID: the Frechet distance, dearer the nearer samples are to training images."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.fid import fitted
from genkit.metrics.memorization import memorization_distance
from genkit.results.score import Score


def mifid(evidence: Evidence) -> Score:
    """Return the memorisation-informed Frechet distance; 0 is best (arXiv:2106.03062)."""
    return memorization_distance(fitted(evidence), evidence.generated.features)
