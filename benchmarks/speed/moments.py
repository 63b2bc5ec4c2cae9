"""Streaming moments: peak memory whatever the number of rows, and speed against np.cov on held features.

uv run python benchmarks/speed/moments.py
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

CHUNK = 1000


def stream(rows: int, dims: int) -> None:
    """Print the megabytes at the peak of a process that sees ``rows`` features once, in chunks."""
    import numpy as np

    from genkit.metrics.numerics.moments import Moments

    moments = Moments()
    for start in range(0, rows, CHUNK):
        count = min(CHUNK, rows - start)
        moments.update(np.random.default_rng(start).standard_normal((count, dims), dtype=np.float32))
    assert moments.cov.shape == (dims, dims)
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def against_numpy(rows: int, dims: int, rounds: int) -> None:
    import numpy as np
    from paired import machine, paired

    from genkit.metrics.numerics.moments import Moments

    print(machine())
    features = np.random.default_rng(0).standard_normal((rows, dims), dtype=np.float32)
    difference = np.abs(Moments().update(features).cov - np.cov(features, rowvar=False)).max()
    print(f"largest difference from np.cov: {difference:.1e}")

    def rows_per_second(work) -> float:  # type: ignore[no-untyped-def]
        began = time.perf_counter()
        work()
        return rows / (time.perf_counter() - began)

    paired(
        "rows per second, genkit / np.cov",
        lambda: rows_per_second(lambda: Moments().update(features).cov),
        lambda: rows_per_second(lambda: np.cov(features, rowvar=False)),
        rounds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", type=int, default=2048)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stream", type=int, help="only print the peak of this process with so many rows")
    arguments = parser.parse_args()
    if arguments.stream:
        return stream(arguments.stream, arguments.dims)
    # First the children: a process's peak begins with that of its parent, which is small as yet.
    for rows in arguments.rows:
        command = [sys.executable, __file__, "--stream", str(rows), "--dims", str(arguments.dims)]
        peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        held = rows * arguments.dims * 4 / 1e6
        print(f"{rows} x {arguments.dims}: peak {peak:.0f} MB (the features alone, held: {held:.0f} MB)", flush=True)
    against_numpy(min(arguments.rows), arguments.dims, arguments.rounds)
    return None


if __name__ == "__main__":
    main()
