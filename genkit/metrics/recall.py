"""Recall: the share of the real set that samples cover."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.neighbourhoods import ball_score
from genkit.results.score import Score


def recall(evidence: Evidence) -> Score:
    """Return the recall of the samples, in [0, 1]; 1 is best (arXiv:1904.06991)."""
    return ball_score(evidence, "recall")
