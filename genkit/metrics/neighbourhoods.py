"""The distances that precision, recall, density and coverage of one evaluation share."""

from __future__ import annotations

from genkit.metrics.density_coverage import asked as of_density_coverage
from genkit.metrics.evidence import Evidence
from genkit.metrics.neighbours import Neighbourhoods
from genkit.metrics.precision_recall import asked as of_precision_recall


def neighbourhoods(evidence: Evidence) -> Neighbourhoods:
    """Return the neighbourhoods that all four metrics ask for, as far as they are measured: one pass over the pairs."""
    balls = {
        ball
        for name, asked in (
            ("precision", of_precision_recall),
            ("recall", of_precision_recall),
            ("density", of_density_coverage),
            ("coverage", of_density_coverage),
        )
        if (parameters := evidence.parameters_of(name)) is not None
        for ball in asked(**parameters)
    }

    def compute() -> Neighbourhoods:
        return Neighbourhoods(evidence.real.features, evidence.generated.features, sorted(balls))

    found: Neighbourhoods = evidence.shared("neighbourhoods", compute)
    return found
