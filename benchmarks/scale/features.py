"""Memory of FID on many features: it must not grow with their number.

uv run python benchmarks/scale/features.py                  1,000,000 x 2048 (17 GB of disk)
uv run python benchmarks/scale/features.py --count 20000

Two files of random features are compared by genkit compare --features given, and two files of a twentieth of them, of
5,000 at least. Goal: no more than 200 MB between the two. Memory is counted as in packing.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from packing import GOALS, measured

LEAST = 5000


def written(path: Path, count: int, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = np.lib.format.open_memmap(path, "w+", np.float32, (count, dim))
    for start in range(0, count, LEAST):
        features[start : start + LEAST] = rng.standard_normal((min(LEAST, count - start), dim), dtype=np.float32)
    features.flush()


def compared(folder: str) -> dict[str, float]:
    import genkit

    began = time.perf_counter()
    paths = [str(Path(folder, f"{name}.npy")) for name in "ab"]
    record = genkit.compare(*paths, metrics=["fid"], features="given", device="cpu").record
    return {"seconds": time.perf_counter() - began, "fid": record.scores[0].value}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="features in each file")
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--folder", type=Path, help="where they are written, on a disk with room for them")
    parser.add_argument("--one", help="compare the two files in this folder and print what it took")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(compared(arguments.one)))
        return
    found = []
    for count in (max(LEAST, arguments.count // 20), arguments.count):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as root:
            for seed, name in enumerate("ab"):
                written(Path(root, f"{name}.npy"), count, arguments.dim, seed)
            took = measured([sys.executable, __file__, "--one", root], Path(root, "cache"))
        found.append(took["memory"])
        print(f"{count:,} x {arguments.dim}: {took['seconds']:.1f} s, {took['memory'] / 1e6:,.0f} MB", flush=True)
    above = found[1] - found[0]
    right = above <= GOALS["memory"]
    print(f"{above / 1e6:,.0f} MB more, goal at most {GOALS['memory'] / 1e6:,.0f}: {'kept' if right else 'NOT KEPT'}")
    raise SystemExit(not right)


if __name__ == "__main__":
    main()
