"""Precision, recall, density and coverage against the prdc package. Goals: at least 3x its speed, at most a fifth of its memory.

uv run python benchmarks/speed/neighbours.py                          the goal's size, 10,000 x 10,000 x 2048
uv run python benchmarks/speed/neighbours.py --n 1000 --d 128 --rounds 1

Each turn runs in a process of its own, so that its peak memory is its own; imports and features are made before the
clock starts. genkit's turn includes replicates and intervals, which prdc has not.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from paired import machine, paired


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000, help="rows of each set")
    parser.add_argument("--d", type=int, default=2048, help="columns")
    parser.add_argument("--k", type=int, default=5, help="neighbours")
    parser.add_argument("--scale", type=float, default=1.0, help="spread of the generated rows; 0.9 crowds the balls")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=SIDES, help="run one side once and print what it measured")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments)))
        return
    print(f"{machine()}; {arguments.n:,} x {arguments.n:,} x {arguments.d}, k={arguments.k}")
    turns: dict[str, list[dict]] = {side: [] for side in SIDES}

    def turn(side: str) -> float:
        """Rows per second of one run in a process of its own."""
        command = [sys.executable, __file__, "--one", side]
        for name in ("n", "d", "k", "scale"):
            command += [f"--{name}", str(getattr(arguments, name))]
        turns[side].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        return arguments.n / turns[side][-1]["seconds"]

    paired("rows per second", lambda: turn("genkit"), lambda: turn("prdc"), arguments.rounds)
    peaks = {side: statistics.median(run["peak_mb"] for run in runs) for side, runs in turns.items()}
    print(f"peak memory: {peaks['genkit']:,.0f} MB against {peaks['prdc']:,.0f} MB, ", end="")
    print(f"ratio {peaks['genkit'] / peaks['prdc']:.3f}")
    for name, value in turns["genkit"][0]["values"].items():
        other = turns["prdc"][0]["values"][name]
        print(f"{name}: {value:.6f} against {other:.6f}, difference {value - other:.1e}")


def genkit(real: np.ndarray, generated: np.ndarray, k: int) -> dict[str, float]:
    from genkit.metrics.numerics.manifold import Neighbourhood, manifold_scores

    reach = Neighbourhood(k, strict=True)
    found = manifold_scores(real, generated, precision_recall=reach, density_coverage=reach)
    return {name: score.value for name, score in found.items()}


def prdc(real: np.ndarray, generated: np.ndarray, k: int) -> dict[str, float]:
    import prdc

    with contextlib.redirect_stdout(io.StringIO()):
        return {name: float(value) for name, value in prdc.compute_prdc(real, generated, k).items()}


SIDES = {"genkit": genkit, "prdc": prdc}


def one(side: str, arguments: argparse.Namespace) -> dict:
    """Seconds, peak memory of this process in MB, features included, and the values."""
    rng = np.random.default_rng(0)
    SIDES[side](rng.standard_normal((40, 4)), rng.standard_normal((40, 4)), 3)  # imports
    real, generated = (rng.standard_normal((arguments.n, arguments.d), dtype=np.float32) for _ in range(2))
    generated *= np.float32(arguments.scale)
    began = time.perf_counter()
    values = SIDES[side](real, generated, arguments.k)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak_mb": peak_mb(), "values": values}


def peak_mb() -> float:
    """The peak of this program alone; getrusage would count what the parent held when it forked."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main()
