"""KID: the kernel inception distance, an unbiased MMD^2 under a polynomial kernel (Binkowski et al. 2018)."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genkit.errors import DataError, UsageError
from genkit.metrics.evidence import Evidence
from genkit.metrics.numerics import jackknife
from genkit.metrics.numerics.arrays import LARGEST, checked_pair
from genkit.metrics.numerics.mmd import Kernel, Sample, mmd, u_statistic
from genkit.metrics.numerics.moments import Array
from genkit.metrics.numerics.repeats import Repeats, counted_once
from genkit.results.score import Score

_SOME = 1000
"""Rows of each set whose mean is the centre: any centre is correct, one near the mean has the least rounding error."""

_LARGEST = 1e17
"""Products of larger features overflow float32, in which float32 features are multiplied."""

_OFFSETS = 2
"""Extra columns of the rows, which hold what centring takes from the products."""

_STRIP = 64
"""Rows of a tile raised to the power at once, so that they stay in the CPU cache."""


@dataclass(frozen=True)
class Subsets:
    """Random subsets over which reference implementations average KID; the defaults are torch-fidelity's.

    ``count`` subsets of ``size`` rows of each set, drawn without replacement by RandomState(seed). The generated set is
    drawn first, as it is the references' first input; torchmetrics draws the real set first. If a set has fewer than
    ``size`` rows, ``shrink`` makes the subsets that small; without it that is an error.
    """

    count: int = 100
    size: int = 1000
    seed: int = 2020
    shrink: bool = False
    generated_first: bool = True

    def draw(self, n: int, m: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the indices of real and generated rows, [count, size] each; raises DataError for too few rows."""
        size = min(self.size, n, m)
        if size < self.size and not self.shrink:
            raise DataError(f"subsets of {self.size} rows need as many of each set, which have {n} and {m}")
        if self.count < 1 or size < 2:
            raise UsageError(f"KID needs a subset or more of 2 rows or more, not {self.count} of {size}")
        random = np.random.RandomState(self.seed)
        sizes = (m, n) if self.generated_first else (n, m)
        drawn = [[random.choice(rows, size, replace=False) for rows in sizes] for _ in range(self.count)]
        first, second = np.array(drawn).swapaxes(0, 1)
        return (second, first) if self.generated_first else (first, second)


def kernel_distance(
    real: Any,
    generated: Any,
    *,
    degree: int = 3,
    gamma: float | None = None,
    coef: float = 1.0,
    blocks: int = jackknife.BLOCKS,
    subsets: Subsets | None = None,
) -> Score:
    """Return the squared MMD of two feature sets, [n, d] and [m, d], under k(x, y) = (gamma x.y + coef)^degree.

    E k(x, x') + E k(y, y') - 2 E k(x, y); 0 is best (Binkowski et al. 2018, arXiv:1801.01401). ``gamma`` is 1/d by
    default. ``value`` is the unbiased U-statistic over all pairs (Gretton et al. 2012, lemma 6): deterministic,
    possibly slightly below 0 for equal distributions, and not 0 for a set and itself. With ``subsets`` it is the mean
    over random subsets, as in reference implementations, and ``note`` gives the standard deviation over the subsets
    (ddof 0), which they report too. The interval is from a two-sample block jackknife over kernel sums of pairs of
    blocks; its upper end is at least 0. Memory does not grow with n^2. Raises DataError or UsageError for invalid
    features.
    """
    largest = min(_LARGEST, LARGEST ** (1 / max(degree, 1)))
    pair = checked_pair(real, generated, at_least=3, largest=largest)
    repeats = Repeats.of(pair[0]), Repeats.of(pair[1])
    one, two, square = _centred(*pair)
    width = one.shape[1] - _OFFSETS
    count = jackknife.number_of_blocks(max(blocks, 3), *(each.independent for each in repeats))
    labels = repeats[0].blocks(count), repeats[1].blocks(count)
    scale = 1.0 / width if gamma is None else gamma
    constant = scale * square + coef
    powers = [math.comb(degree, power) * constant ** (degree - power) for power in range(2, degree + 1)]

    def kernel(x: NDArray[Any], y: NDArray[Any]) -> Array:
        """Return the kernel less what depends on one of the rows alone, which cancels in MMD^2.

        With the constant c = gamma |centre|^2 + coef and e = k^(1/degree) - c, c^degree and the part of
        degree c^(degree - 1) e that is of one row are left out: features far from 0 keep their digits.
        """
        products = x[:, :width] @ y[:, :width].T
        values = np.empty(products.shape)
        ours, theirs = (rows[:, width:].sum(axis=1, dtype=np.float64) for rows in (x, y))
        for top in range(0, len(values), _STRIP):
            strip = values[top : top + _STRIP]
            np.multiply(products[top : top + _STRIP], scale, out=strip, dtype=np.float64)
            linear = strip * (degree * constant ** (degree - 1))
            strip += scale * theirs
            strip += scale * ours[top : top + _STRIP, None]
            higher = np.zeros_like(strip)
            for power in reversed(powers):
                higher *= strip
                higher += power
            strip *= strip
            strip *= higher
            strip += linear
        return values

    if subsets is None:
        each = mmd(Sample(one, labels[0]), Sample(two, labels[1]), kernel, u_statistic, count)
        note = ""
    else:
        each = _mmd_of_subsets(subsets, one, two, labels, kernel, count)
        note = f"{each.shape[1]} subsets, standard deviation {np.std(each[0]):.9g}"
    note = "; ".join(filter(None, [counted_once(real=repeats[0], generated=repeats[1]), note]))
    value, *deleted = each.mean(axis=1).tolist()
    score = jackknife.two_sample_score(value, deleted[:count], deleted[count:], len(two))
    return dataclasses.replace(score, ci_high=max(score.ci_high, 0.0), note=note)


def kid(evidence: Evidence) -> Score:
    """Return KID with the cubic kernel over all pairs; about 0 is best.

    ``degree`` is that of the kernel. With the parameter ``subsets`` it is the mean over that many random subsets, as
    reference implementations compute it.
    """
    parameters = evidence.parameters
    subsets = None
    if parameters["subsets"]:
        subsets = Subsets(
            count=parameters["subsets"],
            size=parameters["size"],
            seed=parameters["seed"],
            shrink=parameters["shrink"],
            generated_first=parameters["generated_first"],
        )
    features = evidence.real_features, evidence.generated_features
    return kernel_distance(*features, degree=parameters.get("degree", 3), subsets=subsets)


def _centred(one: NDArray[Any], two: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Return rows x - c, with c.(x - c) as a value and its rounding error in two more columns, and c.c.

    x.y is then (x - c).(y - c) plus the two offsets and c.c: single precision, in which float32 features are
    multiplied, holds only the differences between rows, and the larger part of x.y is added in double precision.
    """
    precision = np.result_type(one, two, np.float32)
    centre = np.concatenate([one[:_SOME], two[:_SOME]]).mean(axis=0, dtype=np.float64).astype(precision)
    exact = centre.astype(np.float64)
    return _with_offsets(one, centre), _with_offsets(two, centre), float(exact @ exact)


def _with_offsets(rows: NDArray[Any], centre: NDArray[Any]) -> NDArray[Any]:
    extended = np.empty((len(rows), rows.shape[1] + _OFFSETS), centre.dtype)
    exact = centre.astype(np.float64)
    for top in range(0, len(rows), _SOME):
        part = extended[top : top + _SOME]
        part[:, :-_OFFSETS] = rows[top : top + _SOME] - centre
        offset = part[:, :-_OFFSETS] @ exact
        part[:, -2] = offset
        part[:, -1] = offset - part[:, -2]
    return extended


def _mmd_of_subsets(
    subsets: Subsets,
    one: NDArray[Any],
    two: NDArray[Any],
    labels: tuple[NDArray[np.intp], NDArray[np.intp]],
    kernel: Kernel,
    blocks: int,
) -> Array:
    """Return the ``mmd`` of each subset, [1 + 2 B, s]: from one kernel over all rows if that is less work."""
    picks = subsets.draw(len(one), len(two))
    count, size = picks[0].shape
    if 4 * count * size**2 < (len(one) + len(two)) ** 2:
        each = [
            mmd(Sample(one[i], labels[0][i]), Sample(two[j], labels[1][j]), kernel, u_statistic, blocks)
            for i, j in zip(*picks, strict=True)
        ]
        return np.hstack(each)
    members = [np.zeros((len(rows), count)) for rows in (one, two)]
    for member, pick in zip(members, picks, strict=True):
        member[pick, np.arange(count)[:, None]] = 1.0
    real, generated = (Sample(*parts) for parts in zip((one, two), labels, members, strict=True))
    return mmd(real, generated, kernel, u_statistic, blocks)
