"""KID: the squared kernel distance between the features of real and generated images."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.kernel import kernel_distance
from genkit.scores import Score


def kid(evidence: Evidence) -> Score:
    """Return the unbiased squared kernel distance, cubic kernel; about 0 is best (arXiv:1801.01401)."""
    return kernel_distance(evidence.real.features, evidence.generated.features)
