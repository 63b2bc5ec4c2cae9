"""Scale of an axis or of colours, from the smallest to the largest value; logarithmic beyond a factor of ten."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from genkit.report.text import number


@dataclass(frozen=True)
class Scale:
    """Maps values between ``low`` and ``high`` to [0, 1]."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, values: Iterable[float]) -> Scale:
        """Return the scale that spans these values; 0 to 1 if there are none."""
        known = list(values)
        low, high = min(known, default=0.0), max(known, default=1.0)
        return cls(low, high, low > 0 and high > 10 * low)

    @property
    def words(self) -> str:
        """The range in words."""
        return f"from {number(self.low)} to {number(self.high)}{', logarithmic' if self.logarithmic else ''}"

    def place(self, value: float) -> float:
        """Return the position of a value: 0 at ``low``, 1 at ``high``; may lie outside [0, 1]."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low) if value > 0 else -1.0
        return (value - self.low) / ((self.high - self.low) or 1.0)
