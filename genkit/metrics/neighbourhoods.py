"""The distances that precision, recall, density and coverage of one evaluation share."""

from __future__ import annotations

from genkit.metrics import density_coverage, precision_recall
from genkit.metrics.evidence import Evidence
from genkit.metrics.neighbours import Neighbourhoods


def neighbourhoods(evidence: Evidence) -> Neighbourhoods:
    """Return the neighbourhoods that all four metrics ask for, as far as they are measured: one pass over the pairs."""
    balls = {
        ball
        for name, asked in (
            ("precision", precision_recall.asked),
            ("recall", precision_recall.asked),
            ("density", density_coverage.asked),
            ("coverage", density_coverage.asked),
        )
        if (parameters := evidence.parameters_of(name)) is not None
        for ball in asked(**parameters)
    }

    def compute() -> Neighbourhoods:
        return Neighbourhoods(evidence.real.features, evidence.generated.features, sorted(balls))

    found: Neighbourhoods = evidence.shared("neighbourhoods", compute)
    return found
