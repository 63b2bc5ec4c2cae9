"""Coverage of the 95 % intervals: how often they contain what the estimator gives on average for sets of these sizes.

The average is that of other, independent draws. ``fid_inf`` is for endless samples: its truth is known.

uv run python benchmarks/coverage.py --repetitions 200
"""

from __future__ import annotations

import argparse
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from genkit.metrics.authpct import authenticity
from genkit.metrics.clipped_density import clipped_density_score
from genkit.metrics.cmmd import cmmd_distance
from genkit.metrics.evidence import Evidence
from genkit.metrics.fid_inf import frechet_distance_infinity
from genkit.metrics.fid_per_class import fid_per_class
from genkit.metrics.is_ import inception_score
from genkit.metrics.kid import Subsets, kernel_distance
from genkit.metrics.mifid import memorization_distance
from genkit.metrics.mind import monge_distance
from genkit.metrics.numerics.frechet import FeatureStatistics, distance, frechet_distance
from genkit.metrics.numerics.manifold import Neighbourhood, manifold_scores
from genkit.metrics.numerics.means import mean_score
from genkit.metrics.vendi import vendi_score
from genkit.results.score import Score

Measure = Callable[[np.random.Generator], Score]
"""Draws the sets; returns the score."""

Truth = Callable[[np.random.Generator], float]
"""Draws the same sets; returns what their interval is for, where it is not the average."""

LOW, HIGH = 0.90, 0.99


class Gaussians:
    """Two Gaussians whose scales differ along the axes, their means by half a unit; or one and the same."""

    def __init__(self, d: int, n: int, m: int, *, alike: bool = False) -> None:
        self.n, self.m, self.d = n, m, d
        self.scales = np.ones(d) if alike else np.linspace(0.5, 1.5, d)
        self.shift = np.zeros(d) if alike else np.full(d, 0.5 / math.sqrt(d))

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        real = rng.standard_normal((self.n, self.d))
        return real, rng.standard_normal((self.m, self.d)) * self.scales + self.shift

    def by(self, metric: Callable[..., Score], **options: object) -> Measure:
        return lambda rng: metric(*self.draw(rng), **options)

    def per_class(self, rng: np.random.Generator) -> Score:
        real, generated = self.draw(rng)
        return fid_per_class(
            Evidence.of_arrays(
                real_features=real,
                generated_features=generated,
                real_labels=np.arange(self.n) % 3,
                generated_labels=np.arange(self.m) % 3,
                classes=("a", "b", "c"),
            )
        )

    def endless(self, rng: np.random.Generator) -> float:
        """The distance of the generated distribution from the real set as it is."""
        real, _ = self.draw(rng)
        return distance(FeatureStatistics.fit(real), FeatureStatistics(self.shift, np.diag(self.scales**2)))


class Kinds:
    """Examples of a few kinds with given frequencies."""

    def __init__(self, n: int, kinds: int, width: int) -> None:
        rng = np.random.default_rng(1)
        self.n, self.values = n, rng.standard_normal((kinds, width)) * 3
        self.p = np.full(kinds, 1 / kinds)
        self.q = rng.dirichlet(np.full(kinds, 4.0))

    def draw(self, rng: np.random.Generator, frequencies: np.ndarray) -> np.ndarray:
        return self.values[rng.choice(len(frequencies), self.n, p=frequencies)]

    def inception_score(self, rng: np.random.Generator) -> Score:
        return inception_score(self.draw(rng, self.p))

    def cmmd(self, rng: np.random.Generator) -> Score:
        return cmmd_distance(self.draw(rng, self.p), self.draw(rng, self.q))


def shares(shift: float, scale: float, rng: np.random.Generator) -> dict[str, Score]:
    """Precision, recall, density, coverage and their kin of two Gaussians, and how many samples are authentic."""
    real, generated = rng.standard_normal((2, 500, 8))
    generated = generated * scale + shift
    found = manifold_scores(
        real, generated, precision_recall=Neighbourhood(3), density_coverage=Neighbourhood(5, strict=True)
    )
    return found | {
        "clipped_density": clipped_density_score(real, generated),
        "authpct": authenticity(real, generated),
    }


def copies(rng: np.random.Generator) -> Score:
    """MiFID of samples that are training images with a little noise."""
    real = rng.standard_normal((360, 8)) + 0.5
    return memorization_distance(real, real[rng.integers(360, size=500)] + 0.1 * rng.standard_normal((500, 8)))


def experiments() -> Iterator[tuple[str, Callable[[np.random.Generator], Mapping[str, Score]], Truth | None]]:
    def one(name: str, measure: Measure, truth: Truth | None = None) -> tuple[str, Any, Truth | None]:
        return name, lambda rng: {"": measure(rng)}, truth

    for d, n, m in ((8, 1437, 5000), (32, 360, 360), (64, 1437, 5000), (64, 1437, 1437), (64, 40, 40)):
        for alike in (False, True):
            where = f"d={d}, n={n} against {m}" + ", alike" * alike
            yield one(f"fid, {where}", Gaussians(d, n, m, alike=alike).by(frechet_distance))
    for d, n, m in ((16, 1437, 5000), (64, 1437, 5000)):
        sets = Gaussians(d, n, m)
        yield one(f"fid_inf, d={d}, n={n} against {m}", sets.by(frechet_distance_infinity), sets.endless)
    yield one("fid_per_class, d=8, n=360 against 500", Gaussians(8, 360, 500).per_class)
    yield one("mifid, d=8, n=360 against 500", Gaussians(8, 360, 500).by(memorization_distance))
    yield one("mifid of copies, d=8, n=360 against 500", copies)
    for d, n, m, alike in ((8, 360, 500, False), (64, 1437, 1500, False), (8, 360, 500, True)):
        where = f"d={d}, n={n} against {m}" + ", alike" * alike
        yield one(f"kid, {where}", Gaussians(d, n, m, alike=alike).by(kernel_distance))
    subsets = Subsets(count=100, size=180)
    yield one("kid, 100 subsets, d=8, n=360 against 500", Gaussians(8, 360, 500).by(kernel_distance, subsets=subsets))
    for alike in (False, True):
        where = "d=16, n=360 against 500" + ", alike" * alike
        yield one(f"cmmd, {where}", Gaussians(16, 360, 500, alike=alike).by(cmmd_distance))
    yield one("cmmd of 20 kinds, n=500 against 500", Kinds(500, 20, 8).cmmd)
    yield one("cmmd of 5 kinds, n=150 against 150", Kinds(150, 5, 4).cmmd)
    for d, n, m, alike in ((8, 360, 500, False), (64, 1437, 1437, False), (8, 360, 360, True), (64, 40, 40, False)):
        where = f"d={d}, n={n} against {m}" + ", alike" * alike
        yield one(f"mind, {where}", Gaussians(d, n, m, alike=alike).by(monge_distance, directions=100))
    yield one("is, 10 splits of 200, 10 classes", Kinds(2000, 50, 10).inception_score)
    yield one("is, 10 splits of 500, 100 classes", Kinds(5000, 200, 100).inception_score)
    for d, n in ((8, 360), (64, 1437), (64, 40)):
        yield one(f"vendi, d={d}, n={n}", lambda rng, d=d, n=n: vendi_score(rng.standard_normal((n, d)) + 0.5))
    yield one("mean of 360 exponentials", lambda rng: mean_score(rng.exponential(size=360)))
    for where, shift, scale in (
        ("alike", 0.0, 1.0), ("narrow", 0.0, 0.3), ("apart", 0.8, 1.0), ("far apart", 1.6, 1.0),
    ):  # fmt: skip
        yield f"of sets {where}", functools.partial(shares, shift, scale), None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--only", default="", help="experiments that begin with this")
    arguments = parser.parse_args()
    print(f"share of 95 % intervals that hold the average, of {arguments.repetitions}; goal {LOW:.0%} to {HIGH:.0%}")
    for name, measure, truth in experiments():
        if not name.startswith(arguments.only):
            continue
        began = time.perf_counter()
        found = _repeated(measure, 0, arguments.repetitions)
        if truth is not None:
            rng = [np.random.default_rng((0, index)) for index in range(arguments.repetitions)]
            truths = {"": np.array([truth(each) for each in rng])}
        else:
            others = _repeated(measure, 1, arguments.repetitions)
            truths = {part: np.mean([score.value for score in scores]) for part, scores in others.items()}
        for part, scores in found.items():
            values, stderrs, lows, highs = (
                np.array([getattr(score, what) for score in scores])
                for what in ("value", "stderr", "ci_low", "ci_high")
            )
            hits = np.mean((lows <= truths[part]) & (truths[part] <= highs))
            own = np.mean((lows <= values) & (values <= highs))
            verdict = ("" if LOW <= hits <= HIGH else "  OUTSIDE") + (
                "" if own == 1 else "  A VALUE OUTSIDE ITS INTERVAL"
            )
            print(
                f"  {part} {name}".replace("   ", "  ")
                + f": {hits:.1%}{verdict} (average {np.mean(truths[part]):.4g}, "
                f"spread {np.std(values):.2g}, mean stderr {np.mean(stderrs):.2g})",
                flush=True,
            )
        print(f"    {time.perf_counter() - began:.0f} s", flush=True)


def _repeated(
    measure: Callable[[np.random.Generator], Mapping[str, Score]], seed: int, repetitions: int
) -> dict[str, list[Score]]:
    found = [measure(np.random.default_rng((seed, index))) for index in range(repetitions)]
    return {part: [scores[part] for scores in found] for part in found[0]}


if __name__ == "__main__":
    main()
