"""A number with its uncertainty: what every metric returns."""

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

    ``value`` is the plain estimate, ``stderr`` its standard error, ``ci_low`` and ``ci_high`` the 95 % interval,
    ``method`` how the interval was made ("two-sample" in it: the real set's replicates come first, then as many of
    the generated set), ``n`` the number of examples. ``rankable`` is False where the value means too little to rank
    by; ``note`` says why.
    """

    value: float
    stderr: float
    ci_low: float
    ci_high: float
    method: str
    n: int
    replicates: tuple[float, ...] = field(default=(), repr=False)
    """Delete-one-block values; the same index of two models with the same protocol left out the same block."""
    note: str = ""
    rankable: bool = True
    seconds: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the value is made of, such as each class's."""

    def within(self, low: float = -math.inf, high: float = math.inf) -> Score:
        """Return the same with its interval cut to what the metric can be."""
        ci_low, ci_high = (min(max(end, low), high) for end in (self.ci_low, self.ci_high))
        return dataclasses.replace(self, ci_low=ci_low, ci_high=ci_high)
