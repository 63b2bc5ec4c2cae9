"""Two processes against one, each on one core and one thread: images/s of dcgan at 32x32, and the all-reduce's share.

uv run python benchmarks/scale/throughput.py --rounds 20

A training in two processes and two trainings that know nothing of each other are begun and stopped by SIGSTOP. In each
round, in an order of chance, these go on for some seconds: one of the two, the other, both, the training in two
processes. So a machine that slows down slows all of them. What the two apart lack of twice the images is the machine's:
its cores share memory, caches and power. The cores are the first two that this process may use: where those are two threads
of one core, choose others by taskset.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

WARM = 10
"""Steps before a process is stopped for the first time."""

SETTLED = 0.4
"""Seconds after which a process that goes on has its memory back in the caches."""

KINDS = {"one": ["apart-0"], "other": ["apart-1"], "apart": ["apart-0", "apart-1"], "together": ["joint-0", "joint-1"]}
"""The processes that go on at once, by their training and their core."""


def work(folder: Path, kind: str, model: str, batch: int) -> None:
    """Train without end as one of the processes; write when each step ended and what its collectives had taken."""
    die_with_parent()
    core = int(os.environ.get("RANK", os.environ.get("CORE", "0")))
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})
    import torch

    from genkit.training import distributed
    from genkit.training.api import train
    from genkit.training.loop import Loop
    from genkit.training.settings import Settings

    torch.set_num_threads(1)
    add_up, step, spent = distributed._add_up, Loop._step, 0.0

    def timed(tensor: Any) -> None:
        nonlocal spent
        began = time.perf_counter()
        add_up(tensor)
        spent += time.perf_counter() - began

    def written(loop: Any, phases: Any) -> None:
        step(loop, phases)
        file.write(json.dumps([os.getpid(), time.monotonic(), spent]) + "\n")

    setattr(distributed, "_add_up", timed)  # noqa: B010
    setattr(Loop, "_step", written)  # noqa: B010
    kept = Settings(checkpoint_seconds=1e6, previews=0, logs=1)
    with (folder / f"{kind}-{core}").open("w", buffering=1) as file:
        data, root = f"npz:{folder / 'images.npz'}", folder / f"runs-{kind}-{os.environ['CORE']}"
        train(model, data, images=10**9, batch=batch, device="cpu", root=root, settings=kept)


def die_with_parent() -> None:
    """Have this process killed when the one that began it ends, however that ends; of Linux."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Rate(NamedTuple):
    """What a process did while it went on."""

    images: float
    """A second."""

    waiting: float
    """Share of the time that collectives took, from 0 to 1."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="dcgan")
    parser.add_argument("--batch", type=int, default=64, help="of each process")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4.0, help="that each kind goes on in a round")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(Path(arguments.work[0]), arguments.work[1], arguments.model, arguments.batch)
        return
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        pixels = np.random.default_rng(0).integers(0, 256, (4096, 32, 32, 3), dtype=np.uint8)
        np.savez(folder / "images.npz", images=pixels)
        for launcher, kind, cores in (([], "apart", [0]), ([], "apart", [1]), (several, "joint", [0, 1])):
            own = ["--model", arguments.model, "--batch", str(arguments.batch), "--work", name, kind]
            command = [sys.executable, *launcher, __file__, *own]
            stack.enter_context(begun(command, cores[0], [folder / f"{kind}-{core}" for core in cores]))
        rounds = [measured(folder, arguments.seconds, arguments.batch) for _ in range(arguments.rounds)]
    sys.exit(report(rounds))


@contextmanager
def begun(command: list[str], core: int, logs: list[Path]) -> Iterator[None]:
    """Begin a training and stop its processes, which write these logs; kill them at the end."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CORE": str(core)}
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, env=environment, stderr=errors, preexec_fn=die_with_parent)
        try:
            while any(len(lines(log)) < WARM for log in logs):
                if process.poll() is not None:
                    errors.seek(0)
                    sys.exit(errors.read()[-2000:])
                time.sleep(0.2)
            for log in logs:
                os.kill(pid(log), signal.SIGSTOP)
            yield
        finally:
            process.kill()  # and with it, what it has begun
            process.wait()


def measured(folder: Path, seconds: float, batch: int) -> dict[str, list[Rate]]:
    """Let each kind go on for so long, in an order of chance."""
    found = {}
    for kind in random.sample(list(KINDS), len(KINDS)):
        logs = [folder / name for name in KINDS[kind]]
        began = time.monotonic()
        for log in logs:
            os.kill(pid(log), signal.SIGCONT)
        time.sleep(seconds)
        for log in logs:
            os.kill(pid(log), signal.SIGSTOP)
        found[kind] = [rate(log, began + SETTLED, batch) for log in logs]
    return found


def rate(log: Path, since: float, batch: int) -> Rate:
    """Return what a process has done since then, from the end of a step to the end of the last one."""
    steps = [(when, spent) for _, when, spent in lines(log) if when > since]
    if len(steps) < 2:
        sys.exit("too few steps: give more --seconds")
    whole = steps[-1][0] - steps[0][0]
    return Rate(batch * (len(steps) - 1) / whole, (steps[-1][1] - steps[0][1]) / whole)


def lines(log: Path) -> list[list[float]]:
    """Return what a process has written, without a line that it is writing."""
    return [json.loads(line) for line in log.read_text().split("\n")[:-1]] if log.exists() else []


def pid(log: Path) -> int:
    return int(lines(log)[0][0])


def report(rounds: list[dict[str, list[Rate]]]) -> bool:
    """Print the figures; return whether the bar is missed."""
    singles = [statistics.mean(each[kind][0].images for kind in ("one", "other")) for each in rounds]
    print(f"one process: {statistics.median(singles):,.0f} images/s, {min(singles):,.0f} to {max(singles):,.0f}")
    for kind in ("apart", "together"):
        ratios = [sum(part.images for part in each[kind]) / one for each, one in zip(rounds, singles, strict=True)]
        ratio = statistics.median(ratios)
        print(
            f"two {kind}: {ratio:.2f} times as many, median of {len(ratios)} rounds; {min(ratios):.2f} to "
            f"{max(ratios):.2f}"
        )
    shares = [statistics.median(each["together"][rank].waiting for each in rounds) for rank in range(2)]
    print(f"collectives, waiting included: {shares[0]:.1%} and {shares[1]:.1%} of the time of the two together")
    return ratio < 1.6


if __name__ == "__main__":
    main()
