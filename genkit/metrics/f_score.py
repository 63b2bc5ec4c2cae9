"""F-score: the harmonic mean of precision and recall, or one weighted by beta."""

from __future__ import annotations

import math
from typing import Any

from genkit.errors import UsageError
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.manifold import Neighbourhood, manifold_scores
from genkit.metrics.numerics.prdc import prdc_score
from genkit.results.score import Score


def f_measure(
    real: Any,
    generated: Any,
    *,
    k: int = 3,
    strict: bool = False,
    beta: float = 1.0,
    blocks: int = jackknife.BLOCKS,
) -> Score:
    """Return the F-score of two feature sets, arrays or tensors [n, d] and [m, d]; in [0, 1], 1 is best.

    (1 + beta^2) P R / (beta^2 P + R) of precision P and recall R (Kynkaanniemi et al. 2019, arXiv:1904.06991), 0 where
    both are 0. At ``beta`` 1 it is their harmonic mean, torch-fidelity's; a higher one, in (0, inf), weights recall
    more. Neighbourhoods, interval, replicates, memory and errors are as for ``precision_recall``. Raises UsageError for
    another beta.
    """
    if not 0 < beta < math.inf:
        raise UsageError(f"beta is the weight of recall, a number above 0, not {beta}")
    return manifold_scores(real, generated, precision_recall=Neighbourhood(k, strict), beta=beta, blocks=blocks)[
        "f_score"
    ]


def f_score(evidence: Evidence) -> Score:
    """Return the F-score of the samples, in [0, 1]; 1 is best."""
    return prdc_score(evidence, "f_score")
