"""Coverage of the 95 % intervals: how often they contain the true value, over repeated draws of the sets.

uv run python benchmarks/coverage.py --repetitions 200
"""

from __future__ import annotations

import argparse
import functools
import math
import time
from collections.abc import Callable, Iterator

import numpy as np

from genkit.metrics.cmmd import cmmd_distance
from genkit.metrics.fid_inf import frechet_distance_infinity
from genkit.metrics.is_ import inception_score
from genkit.metrics.kid import Subsets, kernel_distance
from genkit.metrics.numerics.frechet import FeatureStatistics, distance, frechet_distance
from genkit.metrics.numerics.manifold import Neighbourhood, manifold_scores
from genkit.metrics.numerics.means import mean_score
from genkit.results.score import Score

Experiment = Callable[[np.random.Generator], tuple[float, Score]]
"""Draws the sets; returns the true value and the score."""

LOW, HIGH = 0.90, 0.99


class Gaussians:
    """Two Gaussians with known distances: their scales differ along the axes, their means by half a unit."""

    def __init__(self, d: int, n: int, m: int) -> None:
        self.n, self.m, self.d = n, m, d
        self.scales, self.shift = np.linspace(0.5, 1.5, d), np.full(d, 0.5 / math.sqrt(d))

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        real = rng.standard_normal((self.n, self.d))
        return real, rng.standard_normal((self.m, self.d)) * self.scales + self.shift

    def fid(self, rng: np.random.Generator) -> tuple[float, Score]:
        truth = self.shift @ self.shift + np.square(self.scales - 1).sum()
        return float(truth), frechet_distance(*self.draw(rng))

    def fid_inf(self, rng: np.random.Generator) -> tuple[float, Score]:
        """Against the real set as it is: that is what its interval is for."""
        real, generated = self.draw(rng)
        truth = distance(FeatureStatistics.fit(real), FeatureStatistics(self.shift, np.diag(self.scales**2)))
        return truth, frechet_distance_infinity(real, generated)

    def kid(self, rng: np.random.Generator, subsets: Subsets | None = None) -> tuple[float, Score]:
        return self._kid(), kernel_distance(*self.draw(rng), subsets=subsets)

    def kid_subsets(self, rng: np.random.Generator) -> tuple[float, Score]:
        return self.kid(rng, Subsets(count=100, size=min(self.n, self.m) // 2))

    def _kid(self) -> float:
        """E (x.y / d + 1)^3 within and across, from the moments of x.y."""
        zero, one, two = np.zeros(self.d), np.ones(self.d), self.scales**2
        within = self._cubic(zero, one, zero, one) + self._cubic(self.shift, two, self.shift, two)
        return within - 2 * self._cubic(zero, one, self.shift, two)

    def _cubic(self, m1: np.ndarray, s1: np.ndarray, m2: np.ndarray, s2: np.ndarray) -> float:
        # Given y, x.y is normal of mean a = m1.y and variance v = sum s1 y^2.
        first, spread = m1 @ m2, m1**2 @ s2
        variance = s1 @ (m2**2 + s2)
        second = first**2 + spread + variance
        third = first**3 + 3 * first * spread + 3 * (first * variance + 2 * (m1 * s2 * s1) @ m2)
        d = self.d
        return float(third / d**3 + 3 * second / d**2 + 3 * first / d + 1)


class Shares:
    """Precision, recall and coverage of two Gaussians, which have no closed form: the truth is the mean of other draws."""

    def __init__(self, shift: float, scale: float = 1.0, *, n: int = 500, d: int = 8, others: int = 200) -> None:
        self.shift, self.scale, self.n, self.d = shift, scale, n, d
        rng = np.random.default_rng(1)
        drawn = [self._draw(rng) for _ in range(others)]
        self.truth = {name: float(np.mean([scores[name].value for scores in drawn])) for name in drawn[0]}

    def _draw(self, rng: np.random.Generator) -> dict[str, Score]:
        real, generated = rng.standard_normal((2, self.n, self.d))
        neighbourhoods = {"precision_recall": Neighbourhood(3), "density_coverage": Neighbourhood(5)}
        return manifold_scores(real, generated * self.scale + self.shift, **neighbourhoods)

    def measured(self, name: str, rng: np.random.Generator) -> tuple[float, Score]:
        return self.truth[name], self._draw(rng)[name]


class Kinds:
    """Examples of a few kinds with known frequencies: expectations are finite sums."""

    def __init__(self, n: int, kinds: int, width: int) -> None:
        rng = np.random.default_rng(1)
        self.n, self.values = n, rng.standard_normal((kinds, width)) * 3
        self.p = np.full(kinds, 1 / kinds)
        self.q = rng.dirichlet(np.full(kinds, 4.0))

    def draw(self, rng: np.random.Generator, frequencies: np.ndarray) -> np.ndarray:
        return self.values[rng.choice(len(frequencies), self.n, p=frequencies)]

    def inception_score(self, rng: np.random.Generator) -> tuple[float, Score]:
        p = np.exp(self.values) / np.exp(self.values).sum(axis=1, keepdims=True)
        truth = math.exp(self.p @ (p * np.log(p / (self.p @ p))).sum(axis=1))
        return truth, inception_score(self.draw(rng, self.p))

    def cmmd(self, rng: np.random.Generator) -> tuple[float, Score]:
        unit = self.values / np.linalg.norm(self.values, axis=1, keepdims=True)
        truth = 1000 * (self.p - self.q) @ np.exp((unit @ unit.T - 1) / 100) @ (self.p - self.q)
        return float(truth), cmmd_distance(self.draw(rng, self.p), self.draw(rng, self.q))


def mean_of_exponentials(rng: np.random.Generator) -> tuple[float, Score]:
    return 1.0, mean_score(rng.exponential(size=360))


def experiments() -> Iterator[tuple[str, Experiment]]:
    for d, n, m in ((8, 1437, 5000), (32, 360, 360), (64, 1437, 5000), (64, 1437, 1437)):
        yield f"fid, d={d}, n={n} against {m}", Gaussians(d, n, m).fid
    for d, n, m in ((16, 1437, 5000), (64, 1437, 5000)):
        yield f"fid_inf, d={d}, n={n} against {m}", Gaussians(d, n, m).fid_inf
    for d, n, m in ((8, 360, 500), (64, 1437, 1500)):
        yield f"kid, d={d}, n={n} against {m}", Gaussians(d, n, m).kid
    yield "kid, 100 subsets, d=8, n=360 against 500", Gaussians(8, 360, 500).kid_subsets
    yield "cmmd, n=500 against 500", Kinds(500, 20, 8).cmmd
    yield "is, 10 splits of 200, 10 classes", Kinds(2000, 50, 10).inception_score
    yield "is, 10 splits of 500, 100 classes", Kinds(5000, 200, 100).inception_score
    yield "mean of 360 exponentials", mean_of_exponentials
    for where, shift, scale in (
        ("alike", 0.0, 1.0), ("narrow", 0.0, 0.3), ("apart", 0.8, 1.0), ("far apart", 1.6, 1.0),
    ):  # fmt: skip
        shares = Shares(shift, scale)
        for name in ("precision", "recall", "coverage"):
            yield f"{name} of sets {where}", functools.partial(shares.measured, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--only", default="", help="experiments that begin with this")
    arguments = parser.parse_args()
    print(f"share of 95 % intervals that hold the truth, of {arguments.repetitions}; goal {LOW:.0%} to {HIGH:.0%}")
    for name, experiment in experiments():
        if not name.startswith(arguments.only):
            continue
        began, rng = time.perf_counter(), np.random.default_rng(0)
        found = [experiment(rng) for _ in range(arguments.repetitions)]
        hits = np.mean([score.ci_low <= truth <= score.ci_high for truth, score in found])
        values, stderrs = ([getattr(score, what) for _, score in found] for what in ("value", "stderr"))
        verdict = "" if LOW <= hits <= HIGH else "  OUTSIDE"
        print(
            f"  {name}: {hits:.1%}{verdict} (truth {np.mean([truth for truth, _ in found]):.4g}, mean value "
            f"{np.mean(values):.4g}, spread {np.std(values):.2g}, mean stderr {np.mean(stderrs):.2g}; "
            f"{time.perf_counter() - began:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
