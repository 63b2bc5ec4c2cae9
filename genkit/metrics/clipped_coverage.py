"""Clipped coverage: how well samples fill the neighbourhoods of real images (Salvy et al. 2026)."""

from __future__ import annotations

from typing import Any

from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.manifold import Neighbourhood, manifold_scores
from genkit.metrics.numerics.prdc import prdc_score
from genkit.results.score import Score


def clipped_coverage_score(real: Any, generated: Any, *, k: int = 5, blocks: int = jackknife.BLOCKS) -> Score:
    """Return the clipped coverage of two feature sets, arrays or tensors [n, d] and [m, d]; in [0, 1], 1 is best.

    The mean over the real rows of the number of generated rows nearer than the k-th nearest other real row, at most k,
    over k. Its expectation for i samples of the real distribution is known; the value is i / (m + 1) of the least i
    whose expectation is not below that mean, so it falls linearly with the share of bad samples (Salvy, Talbot and
    Thirion 2026, arXiv:2507.01761, section 4; the numbers of their code). Interval, replicates, memory and errors are
    as for ``precision_recall``.
    """
    return manifold_scores(real, generated, density_coverage=Neighbourhood(k, strict=True), blocks=blocks)[
        "clipped_coverage"
    ]


def clipped_coverage(evidence: Evidence) -> Score:
    """Return the clipped coverage of the samples, in [0, 1]; 1 is best."""
    return prdc_score(evidence, "clipped_coverage")
