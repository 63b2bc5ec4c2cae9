"""Throughput: images drawn per second."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics.means import mean_score
from genkit.metrics.numerics.timing import positive, seconds_per_draw
from genkit.results.score import Score

REPEATS = 5


def throughput(evidence: Evidence) -> Score:
    """Return images drawn per second in full chunks of the protocol's size: the mean of 5 after 2 warm-up chunks."""
    size = evidence.samples.chunk
    return positive(mean_score(size / seconds_per_draw(evidence, size, REPEATS)))
