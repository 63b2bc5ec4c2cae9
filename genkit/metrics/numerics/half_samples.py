"""Parts of two samples on which a score is recomputed: without one block, for replicates, and halves, for intervals.

Whether a row has a near neighbour is not a smooth function of the sample, so the jackknife overestimates the variance
of such scores: on average it is never below the true variance (Efron and Stein 1981), and two to six times as large in
simulations. Two disjoint halves of both samples give independent values of about twice the variance each, so a quarter
of their squared difference estimates the variance of the whole. This is averaged over 15 splits, balanced by a Hadamard
matrix (McCarthy 1969, balanced half-samples with their complements); the interval is Student's t with 15 degrees of
freedom. The interval of a share is at least as wide at either end as Wilson's (1927) for the number of independent rows
that would have this variance: it is asymmetric near 0 and 1, and not empty where no half differs from the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.repeats import Repeats
from genkit.results.intervals import jackknife_interval, t_quantile
from genkit.results.score import Score

Array = NDArray[np.float64]
Counts = NDArray[np.int32]

_GROUPS = 16


@dataclass(frozen=True)
class Parts:
    """The parts, in this order: the rows without each block, all rows, the first halves of the splits, the second."""

    blocks: int
    splits: int

    @classmethod
    def of_samples(cls, blocks: int, *sizes: int, least: int | None = None) -> Parts:
        """Return the parts of samples of these sizes.

        Without halves if a half could have fewer than ``least`` rows, or if that is not given.
        """
        smallest_half = _GROUPS // 2 * (min(sizes) // _GROUPS)
        splits = _GROUPS - 1 if least is not None and smallest_half >= least else 0
        return cls(jackknife.number_of_blocks(blocks, *sizes), splits)

    @property
    def halves(self) -> slice:
        """The columns of the halves."""
        return slice(self.blocks + 1, self.blocks + 1 + 2 * self.splits)

    def members(self, rows: Repeats) -> Counts:
        """Return 1 where a row is in a part and 0 elsewhere, [n, parts]; copies within a repeated set share theirs."""
        rest = rows.blocks(self.blocks)[:, None] != np.arange(self.blocks)
        hadamard = [[(g & s).bit_count() % 2 for s in range(1, self.splits + 1)] for g in range(_GROUPS)]
        first = np.array(hadamard, np.bool_)[rows.blocks(_GROUPS)]
        return np.hstack([rest, np.ones((len(rest), 1), np.bool_), first, ~first]).astype(np.int32)

    def resampled(self, by_part: Array, without_generated: Array, rows: int) -> ResampledMean:
        """Collect values by part of the real set, [parts], and values without each block of the generated set, [B]."""
        whole = self.blocks
        return ResampledMean(float(by_part[whole]), by_part[:whole], without_generated, by_part[self.halves], rows)


@dataclass(frozen=True)
class ResampledMean:
    """A mean over ``rows`` that count, of the whole, without each block [B] of either sample, of halves [2 splits]."""

    whole: float
    without_real: Array
    without_generated: Array
    halves: Array
    rows: int

    def exchanged(self) -> ResampledMean:
        """Return this mean with the two samples exchanged."""
        return ResampledMean(self.whole, self.without_generated, self.without_real, self.halves, self.rows)

    def with_other(self, other: ResampledMean, combine: Callable[[Array, Array], Array]) -> ResampledMean:
        """Return ``combine`` of this mean and another of the same samples, in the whole and in each part."""
        return ResampledMean(
            float(combine(np.array(self.whole), np.array(other.whole))),
            combine(self.without_real, other.without_real),
            combine(self.without_generated, other.without_generated),
            combine(self.halves, other.halves),
            min(self.rows, other.rows),
        )

    def score(self, *, n: int, top: float = math.inf) -> Score:
        """Return the score of ``n`` examples with an interval for the mean, or for a share of a finite ``top``."""
        deleted = self.without_real.tolist(), self.without_generated.tolist()
        if len(self.halves):
            splits = len(self.halves) // 2
            stderr = math.sqrt(float(np.square(self.halves[:splits] - self.halves[splits:]).mean()) / 4)
            low, high = self._interval(stderr, t_quantile(splits), top)
            method = "balanced half-samples (replicates: two-sample block jackknife)"
        else:
            stderr, low, high = jackknife_interval(self.whole, *deleted)
            method = "two-sample block jackknife"
        return Score(
            value=self.whole,
            stderr=stderr,
            ci_low=low,
            ci_high=high,
            method=method,
            n=n,
            replicates=(*deleted[0], *deleted[1]),
        ).within(0.0, top)

    def _interval(self, stderr: float, quantile: float, top: float) -> tuple[float, float]:
        low, high = self.whole - quantile * stderr, self.whole + quantile * stderr
        if math.isinf(top):
            return low, high
        share = self.whole / top
        variance = share * (1 - share)
        rows = variance / (stderr / top) ** 2 if stderr > 0 and variance > 0 else self.rows
        square = quantile**2 / rows
        centre = (share + square / 2) / (1 + square)
        half = math.sqrt(square * variance + square**2 / 4) / (1 + square)
        return min(low, top * (centre - half)), max(high, top * (centre + half))
