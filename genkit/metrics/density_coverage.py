"""Density and coverage: precision and recall's kin that one outlier of the real set does not sway."""

from __future__ import annotations

from typing import Any, NamedTuple

from genkit.metrics import jackknife
from genkit.metrics.manifold import Reach, ball_scores
from genkit.results.score import Score


class DensityCoverage(NamedTuple):
    """Density from 0 upwards, about 1 for equal distributions; coverage in [0, 1], 1 is best."""

    density: Score
    coverage: Score


def density_coverage(
    real: Any, generated: Any, *, k: int = 5, strict: bool = True, blocks: int = jackknife.BLOCKS
) -> DensityCoverage:
    """Return density and coverage of two feature sets, arrays or tensors [n, d] and [m, d]; higher is better.

    The ball of a real row reaches to its k-th nearest other real row, without its rim unless ``strict`` is False.
    Density is the number of balls that a generated row lies in, in the mean, over k; it is not bounded by 1. Coverage
    is the part of the balls that hold a generated row (Naeem et al. 2020, arXiv:2002.09797, equations 3 and 4; the
    prdc package's numbers). Of equal distributions the expected density is 1 and the expected coverage
    1 - prod_{i=1..k} (n - i)/(m + n - i).

    Interval, replicates, memory and errors are ``precision_recall``'s.
    """
    return DensityCoverage(**ball_scores(real, generated, density_coverage=Reach(k, strict), blocks=blocks))
