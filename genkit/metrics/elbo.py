"""ELBO: the evidence lower bound of test images."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.results.score import Score


def elbo(evidence: Evidence) -> Score:
    """Return the mean ELBO over the test split, in nats, from one posterior sample per image; higher is better."""
    return mean_score(evidence.log_likelihood(evidence.parameters["importance_samples"]))
