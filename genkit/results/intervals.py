"""The 95 % interval of a jackknife, for new scores and for those of old records.

It is for what the printed estimator gives on average at the printed size, other examples drawn: around the value.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence


@functools.lru_cache(maxsize=1024)
def t_quantile(degrees: float, level: float = 0.95) -> float:
    """Return the quantile of Student's t for a two-sided interval."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + level) / 2))


def variance(deleted: Sequence[float]) -> float:
    """Return the jackknife variance: (B - 1) / B times the sum of squared deviations of ``deleted`` from its mean."""
    size = len(deleted)
    mean = math.fsum(deleted) / size
    return (size - 1) / size * math.fsum((each - mean) * (each - mean) for each in deleted)


def jackknife_interval(value: float, *samples: Sequence[float]) -> tuple[float, float, float]:
    """Return standard error and 95 % interval around ``value`` from each sample's delete-one-block values.

    The variances of the samples are added, with Welch-Satterthwaite degrees of freedom.
    """
    parts = [(variance(deleted), len(deleted) - 1) for deleted in samples]
    total = sum(part for part, _ in parts)
    if total == 0:
        return 0.0, value, value
    degrees = 1 / sum((part / total) ** 2 / freedom for part, freedom in parts)
    stderr = math.sqrt(total)
    half = t_quantile(degrees) * stderr
    return stderr, value - half, value + half
