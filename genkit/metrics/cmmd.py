"""CMMD: the squared distance of unit-norm features under a Gaussian kernel."""

from __future__ import annotations

from genkit.metrics.evidence import Evidence
from genkit.metrics.mmd_cmmd import mmd_cmmd
from genkit.results.score import Score


def cmmd(evidence: Evidence) -> Score:
    """Return the biased MMD^2 times 1000; 0 is best (arXiv:2401.09603, where the features are CLIP's)."""
    return mmd_cmmd(evidence.real.features, evidence.generated.features)
