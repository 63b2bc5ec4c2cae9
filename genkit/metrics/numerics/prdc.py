"""Precision, recall, density, coverage and their kin: public functions, and one evaluation's scores from one pass."""

from __future__ import annotations

from typing import Any, NamedTuple

from genkit.errors import DataError
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.manifold import Neighbourhood, manifold_scores
from genkit.results.score import Score

_MANIFOLD = ("precision", "recall", "f_score")
_BALLS = ("density", "coverage", "clipped_coverage")


class PrecisionRecall(NamedTuple):
    """Two scores in [0, 1]; 1 is best."""

    precision: Score
    recall: Score


class DensityCoverage(NamedTuple):
    """Density, at least 0 and about 1 for equal distributions; coverage in [0, 1], 1 is best."""

    density: Score
    coverage: Score


def precision_recall(
    real: Any, generated: Any, *, k: int = 3, strict: bool = False, blocks: int = jackknife.BLOCKS
) -> PrecisionRecall:
    """Return precision and recall of two feature sets, arrays or tensors [n, d] and [m, d]; in [0, 1], 1 is best.

    Precision is the share of generated rows within the distance from some real row to its k-th nearest other real row;
    recall is precision with the sets exchanged (Kynkaanniemi et al. 2019, arXiv:1904.06991, equations 1 to 3). k=3 with
    the boundary included gives the numbers of torch-fidelity and stylegan3; k=5 with ``strict``, the boundary excluded,
    those of prdc, StudioGAN and dgm-eval.

    The interval is for the expected value at these n and m, from balanced half-samples
    (``genkit.metrics.numerics.half_samples`` explains why not from the jackknife; sets too small to halve use the
    jackknife, whose interval is wide, but has no width if no block differs). Replicates: the exact values without each
    block of the real set, then of the generated set. Memory does not grow with n m. Raises DataError for fewer than
    k + 1 rows, DataError or UsageError for invalid features.
    """
    scores = manifold_scores(real, generated, precision_recall=Neighbourhood(k, strict), blocks=blocks)
    return PrecisionRecall(scores["precision"], scores["recall"])


def density_coverage(
    real: Any, generated: Any, *, k: int = 5, strict: bool = True, blocks: int = jackknife.BLOCKS
) -> DensityCoverage:
    """Return density and coverage of two feature sets, arrays or tensors [n, d] and [m, d]; higher is better.

    The neighbourhood of a real row is the ball up to its k-th nearest other real row, without its boundary unless
    ``strict`` is False. Density is the mean number of neighbourhoods that a generated row lies in, over k; it has no
    upper bound. Coverage is the share of neighbourhoods that contain a generated row (Naeem et al. 2020,
    arXiv:2002.09797, equations 3 and 4; the numbers of the prdc package). For equal distributions the expected density
    is 1 and the expected coverage 1 - prod_{i=1..k} (n - i)/(m + n - i).

    Interval, replicates, memory and errors are as for ``precision_recall``.
    """
    scores = manifold_scores(real, generated, density_coverage=Neighbourhood(k, strict), blocks=blocks)
    return DensityCoverage(scores["density"], scores["coverage"])


def prdc_score(evidence: Evidence, metric: str) -> Score:
    """Return one of these scores with its own neighbourhood; metrics measured beside it share the pass."""

    def neighbourhood(*metrics: str) -> Neighbourhood | None:
        names = (metric,) if metric in metrics else metrics
        parameters = next((chosen for name in names if (chosen := evidence.parameters_of(name)) is not None), None)
        return Neighbourhood(parameters["k"], parameters.get("strict", True)) if parameters is not None else None

    for_manifold, for_balls = neighbourhood(*_MANIFOLD), neighbourhood(*_BALLS)
    beta = (evidence.parameters_of("f_score") or {}).get("beta", 1.0)

    def compute() -> dict[str, Score]:
        features = evidence.real_features, evidence.generated_features
        return manifold_scores(*features, precision_recall=for_manifold, density_coverage=for_balls, beta=beta)

    try:
        scores: dict[str, Score] = evidence.cached(f"prdc {for_manifold} {for_balls}", compute)
    except DataError:  # too few rows for the larger k need not be too few for this metric's own
        if for_manifold is None or for_balls is None:
            raise
        if metric in _MANIFOLD:
            for_balls = None
        else:
            for_manifold = None
        scores = evidence.cached(f"prdc {for_manifold} {for_balls}", compute)
    return scores[metric]
