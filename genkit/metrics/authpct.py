"""AuthPct: the share of samples that are no suspected copies."""

from __future__ import annotations

from genkit.metrics.authenticity import authenticity
from genkit.metrics.evidence import Evidence
from genkit.results.score import Score


def authpct(evidence: Evidence) -> Score:
    """Return the per cent of authentic samples; 0 for exact copies (arXiv:2102.08921)."""
    return authenticity(evidence.real.features, evidence.generated.features)
