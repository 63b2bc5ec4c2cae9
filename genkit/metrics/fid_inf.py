"""FID infinity: the Frechet distance extrapolated to infinitely many samples."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.fid import fitted
from genkit.metrics.frechet_infinity import frechet_distance_infinity
from genkit.results.score import Score


def fid_inf(evidence: Evidence) -> Score:
    """Return the extrapolated Frechet distance; 0 is best (arXiv:1911.07023)."""
    return frechet_distance_infinity(fitted(evidence), evidence.generated.features, **evidence.parameters)
