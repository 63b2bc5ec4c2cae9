"""Latency: the time to draw one image."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.metrics.numerics.timing import positive, seconds_per_draw
from genkit.results.score import Score

REPEATS = 30


def latency(evidence: Evidence) -> Score:
    """Return the time to draw one image in milliseconds: the mean of 30 draws after 2 warm-up draws."""
    return positive(mean_score(1e3 * seconds_per_draw(evidence, 1, REPEATS)))
