"""Frechet distance from statistics against torch-fidelity and SciPy's sqrtm. Goals: at least 2.5 and 10, equal to 1e-6.

uv run python benchmarks/speed/frechet.py

Also what the whole score takes, with its interval, and again with the reference fitted before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import scipy.linalg
from paired import machine, paired
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

from genkit.metrics.numerics.frechet import FeatureStatistics, frechet, frechet_distance

Statistics = dict[str, np.ndarray]


def features(rows: int, dims: int, seed: int, scale: float) -> np.ndarray:
    """Correlated features whose variances fall off as those of Inception do."""
    rng = np.random.default_rng(seed)
    mixing = np.linalg.qr(np.random.default_rng(9).standard_normal((dims, dims)))[0]
    axes = scale * np.arange(1, dims + 1) ** -0.5
    return ((rng.standard_normal((rows, dims)) * axes) @ mixing + 0.4).astype(np.float32)


def genkit(one: Statistics, two: Statistics) -> float:
    return frechet(one["mu"], one["sigma"], two["mu"], two["sigma"])


def torch_fidelity(one: Statistics, two: Statistics) -> float:
    return float(fid_statistics_to_metric(one, two, False)[KEY_METRIC_FID])


def scipy_sqrtm(one: Statistics, two: Statistics) -> float:
    offset = one["mu"] - two["mu"]
    root = scipy.linalg.sqrtm(one["sigma"] @ two["sigma"]).real
    return float(offset @ offset + np.trace(one["sigma"]) + np.trace(two["sigma"]) - 2 * np.trace(root))


def per_minute(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 60 / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(machine())
    real, generated = (features(arguments.rows, arguments.dims, *made) for made in ((0, 1.0), (1, 1.1)))
    statistics = [{"mu": x.mean(0, dtype=np.float64), "sigma": np.cov(x, rowvar=False)} for x in (real, generated)]
    ours = genkit(*statistics)
    for peer in (torch_fidelity, scipy_sqrtm):
        theirs = peer(*statistics)
        print(f"{peer.__name__}: {theirs:.9g}, genkit {ours:.9g}, relative difference {abs(ours / theirs - 1):.1e}")
        paired(
            f"distances per minute, genkit / {peer.__name__}",
            lambda: per_minute(lambda: genkit(*statistics)),
            lambda peer=peer: per_minute(lambda: peer(*statistics)),
            arguments.rounds,
        )
    reference = FeatureStatistics.fit(real)
    reference.to_arrays()
    for what, first in (("features", real), ("a reference fitted before", reference)):
        seconds = 60 / per_minute(lambda first=first: frechet_distance(first, generated))
        print(f"frechet_distance of {what}, with its interval: {seconds:.2f} s")
    began = time.process_time(), time.perf_counter()
    frechet_distance(real, generated, interval=False)
    spent = time.process_time() - began[0], time.perf_counter() - began[1]
    print(f"frechet_distance of features, without an interval: {spent[1]:.2f} s, {spent[0]:.2f} CPU-s")


if __name__ == "__main__":
    main()
