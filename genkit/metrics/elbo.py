"""ELBO: the evidence lower bound of test images."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.means import mean_score
from genkit.results.score import Score


def elbo(evidence: Evidence) -> Score:
    """Return the mean lower bound on log p(x) over the test split, in nats, one posterior sample per image."""
    return mean_score(evidence.log_likelihood(evidence.parameters["importance_samples"]))
