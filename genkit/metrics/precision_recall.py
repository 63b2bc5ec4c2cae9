"""Precision and recall: how many generated images look real, and how much of the real set the generated ones cover."""

from __future__ import annotations

from typing import Any, NamedTuple

from genkit.metrics import jackknife
from genkit.metrics.manifold import Reach, ball_scores
from genkit.results.score import Score


class PrecisionRecall(NamedTuple):
    """Two scores in [0, 1]; 1 is best."""

    precision: Score
    recall: Score


def precision_recall(
    real: Any, generated: Any, *, k: int = 3, strict: bool = False, blocks: int = jackknife.BLOCKS
) -> PrecisionRecall:
    """Return precision and recall of two feature sets, arrays or tensors [n, d] and [m, d]; in [0, 1], 1 is best.

    Precision is the part of the generated rows that lie in the ball of some real row, which reaches to its k-th
    nearest other real row; recall is precision with the sets exchanged (Kynkaanniemi et al. 2019, arXiv:1904.06991,
    equations 1 to 3). k=3 with the rim inside is the number of torch-fidelity and stylegan3; k=5 and ``strict``,
    without the rim, that of prdc, StudioGAN and dgm-eval.

    The interval is for the expected value at these n and m, from balanced half-samples, as a share's
    (``genkit.metrics.half_samples`` says how, and why not from the jackknife; sets too small to halve have its, which
    is wide but has no width where no block differs). Replicates: the exact values without each block of the real set,
    then of the generated one. Memory does not grow with n m. Raises DataError for fewer than k + 1 rows, DataError or
    UsageError for features that can't be measured.
    """
    return PrecisionRecall(**ball_scores(real, generated, precision_recall=Reach(k, strict), blocks=blocks))
