"""The number of a model's parameters."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.results.score import Score


def parameters(evidence: Evidence) -> Score:
    """Return the number of parameters of the model, including its discriminator or encoder."""
    count = float(sum(parameter.numel() for parameter in evidence.model.parameters()))
    return Score(count, 0.0, count, count, "counted", 1)
