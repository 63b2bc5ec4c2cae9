"""The duration of training."""

from __future__ import annotations

from genkit.errors import Unmeasurable
from genkit.metrics.evidence import Evidence
from genkit.results.score import Score


def train_seconds(evidence: Evidence) -> Score:
    """Return the duration of training in seconds, including checkpoints and sample grids."""
    seconds = evidence.training_seconds
    if seconds is None:
        raise Unmeasurable("it was not trained")
    return Score(seconds, 0.0, seconds, seconds, "one training", 1)
