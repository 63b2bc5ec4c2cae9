"""Seconds, CPU seconds and peak memory of f_score, clipped_density, clipped_coverage and mind, beside authpct.

uv run python benchmarks/speed/of_features.py            10,000 x 10,000 x 2048
uv run python benchmarks/speed/of_features.py --n 2000

Each runs in a process of its own, so that its peak memory is its own, with its interval; no installed package has
clipped density, clipped coverage or mind.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import numpy as np
from neighbours import peak_mb
from paired import machine

from genkit import metrics

MEASURES = {
    "f_score": metrics.f_measure,
    "clipped_density": metrics.clipped_density_score,
    "clipped_coverage": metrics.clipped_coverage_score,
    "authpct": metrics.authenticity,
    "mind": metrics.monge_distance,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000, help="rows of each set")
    parser.add_argument("--d", type=int, default=2048, help="columns")
    parser.add_argument("--one", choices=MEASURES, help="run one once and print what it measured")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.n, arguments.d)))
        return
    print(f"{machine()}; {arguments.n:,} x {arguments.n:,} x {arguments.d}")
    for name in MEASURES:
        command = [sys.executable, __file__, "--one", name, "--n", str(arguments.n), "--d", str(arguments.d)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"  {name}: {found['seconds']:.1f} s, {found['cpu']:.1f} of the CPU, {found['peak_mb']:,.0f} MB, "
            f"of which {found['held_mb']:,.0f} before",
            flush=True,
        )


def one(name: str, n: int, d: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    MEASURES[name](rng.standard_normal((40, 4)), rng.standard_normal((40, 4)))  # imports
    real, generated = (rng.standard_normal((n, d), dtype=np.float32) for _ in range(2))
    held, began, cpu = peak_mb(), time.perf_counter(), time.process_time()
    MEASURES[name](real, generated)
    spent = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    return {**spent, "peak_mb": peak_mb(), "held_mb": held}


if __name__ == "__main__":
    main()
