"""rFID: the Frechet distance between the features of test images and of their reconstructions."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.frechet import frechet_distance
from genkit.results.score import Score


def rfid(evidence: Evidence) -> Score:
    """Return the Frechet distance between features of test images and of their reconstructions; 0 is best."""
    return frechet_distance(evidence.test_features, evidence.reconstruction_features)
