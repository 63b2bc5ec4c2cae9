"""NLL: the importance-weighted bound on the negative log-likelihood of test images."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.results.score import Score


def nll(evidence: Evidence) -> Score:
    """Return the mean of -log 1/K sum_k p(x, z_k) / q(z_k | x) over the test split, in nats; lower is better.

    An upper bound on -log p(x) that tightens with K, the parameter ``importance_samples`` (arXiv:1509.00519).
    """
    return mean_score(-evidence.log_likelihood(evidence.parameters["importance_samples"]))
