"""A score: a number with its uncertainty, returned by every metric."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["lower", "higher"]
"""Which values of a metric are better."""


@dataclass(frozen=True)
class Score:
    """One measured value.

    ``value`` is the estimate and ``stderr`` its standard error. ``ci_low`` and ``ci_high`` are the 95 % confidence
    interval for what the estimator gives on average at this size, and hold the value. ``method`` is how the interval
    was computed and ``n`` the number of examples. If ``method`` contains "two-sample",
    ``replicates`` holds those of the real set, then as many of the generated set. ``rankable`` is False where the value
    is too unreliable to rank by; ``note`` says why.
    """

    value: float
    stderr: float
    ci_low: float
    ci_high: float
    method: str
    n: int
    replicates: tuple[float, ...] = field(default=(), repr=False)
    """Delete-one-block jackknife values. Under one protocol, an index is the same block for every model."""
    note: str = ""
    rankable: bool = True
    seconds: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)
    """Components of the value, such as one per class."""

    def within(self, low: float = -math.inf, high: float = math.inf) -> Score:
        """Return the score with its interval clipped to the metric's range, but never beyond the value."""
        ci_low, ci_high = min(max(self.ci_low, low), self.value), max(min(self.ci_high, high), self.value)
        return dataclasses.replace(self, ci_low=ci_low, ci_high=ci_high)
