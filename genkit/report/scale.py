"""The scale of an axis or of colours: from the least to the greatest value, in logarithms over a factor of ten."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from genkit.report.text import number


@dataclass(frozen=True)
class Scale:
    """Where values lie between ``low`` and ``high``."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, values: Iterable[float]) -> Scale:
        """Return the scale that these values fill; from 0 to 1 without any."""
        known = list(values)
        low, high = min(known, default=0.0), max(known, default=1.0)
        return cls(low, high, low > 0 and high > 10 * low)

    @property
    def words(self) -> str:
        """Say from where to where."""
        return f"from {number(self.low)} to {number(self.high)}{', logarithmic' if self.logarithmic else ''}"

    def place(self, value: float) -> float:
        """Return where a value lies: 0 at ``low``, 1 at ``high``, beyond them outside."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low) if value > 0 else -1.0
        return (value - self.low) / ((self.high - self.low) or 1.0)
