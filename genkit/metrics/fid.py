"""FID: the Frechet distance between the features of real and generated images."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.frechet import frechet_distance
from genkit.scores import Score


def fid(evidence: Evidence) -> Score:
    """Return the Frechet distance of the generated from the real images' features; 0 is best (arXiv:1706.08500)."""
    return frechet_distance(evidence.real.features, evidence.generated.features)
