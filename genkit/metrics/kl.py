"""KL: the divergence of the posteriors of test images from the prior."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.results.score import Score


def kl(evidence: Evidence) -> Score:
    """Return the mean of KL(q(z | x) || p(z)) over the test split, in nats; 0 means posterior collapse."""
    return mean_score(evidence.kl).within(0.0)
