"""KID over random subsets against torch-fidelity, the same subsets. Goals: at least 2, equal to 1e-5.

uv run python benchmarks/speed/kid.py
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from paired import machine, paired
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

from genkit.metrics.kid import Subsets, kernel_distance


def features(rows: int, dims: int, seed: int, shift: float) -> np.ndarray:
    """Features of 0 or more, as Inception's are."""
    drawn = np.random.default_rng(seed).standard_normal((rows, dims), dtype=np.float32)
    return np.maximum(0.5 * drawn + shift, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--subsets", type=int, default=100)
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(machine())
    real, generated = (features(arguments.rows, arguments.dims, *made) for made in ((0, 0.3), (1, 0.33)))
    found: dict[str, float] = {}

    def genkit() -> float:
        began = time.perf_counter()
        subsets = Subsets(count=arguments.subsets, size=arguments.size)
        found["genkit"] = kernel_distance(real, generated, subsets=subsets).value
        return 60 / (time.perf_counter() - began)

    def torch_fidelity() -> float:
        began = time.perf_counter()
        two = torch.from_numpy(generated), torch.from_numpy(real)  # as its command calls it
        choices = {"kid_subsets": arguments.subsets, "kid_subset_size": arguments.size, "verbose": False}
        found["torch-fidelity"] = kid_features_to_metric(*two, **choices)[KEY_METRIC_KID_MEAN]
        return 60 / (time.perf_counter() - began)

    paired("KIDs per minute, genkit / torch_fidelity", genkit, torch_fidelity, arguments.rounds)
    ours, theirs = found["genkit"], found["torch-fidelity"]
    print(f"torch-fidelity (float32) {theirs:.9g}, genkit (float64) {ours:.9g}, difference {abs(ours - theirs):.1e}")
    began = time.perf_counter()
    whole = kernel_distance(real, generated)
    print(f"all rows: {whole.value:.6g}, stderr {whole.stderr:.2g}, {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
