"""What keeping freed memory gains on the CPU: images/s of training and of sampling with it and without, in turn.

uv run python benchmarks/speed/memory_kept.py --models r3gan conv-vae --size 64 --rounds 5

Without it, glibc does what it does by itself: an environment that says anything of glibc's malloc switches it off
(``genkit.models.memory``), and what is said here is glibc's own default.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from paired import machine, paired

from genkit.evaluation.samples import ModelSamples
from genkit.models.memory import freed_memory_kept
from genkit.training.api import train
from genkit.training.loop import Loop
from genkit.training.runs import load
from genkit.training.settings import Settings

WARM, STEPS, BATCH = 3, 10, 64
CPU = torch.device("cpu")
OFF = {"GLIBC_TUNABLES": "glibc.malloc.check=0"}


class Enough(Exception):
    """As many steps as are timed."""


def training(folder: Path, model: str) -> float:
    """Return the images/s of steps after the first ones."""
    times, step = list[float](), Loop._step

    def timed(loop: Loop, phases: list) -> None:
        step(loop, phases)
        times.append(time.perf_counter())
        if len(times) > STEPS:
            raise Enough

    setattr(Loop, "_step", timed)  # noqa: B010
    with contextlib.suppress(Enough):
        run(folder, model, 10**6, "runs")
    return BATCH * (STEPS - WARM) / (times[STEPS] - times[WARM])


def sampling(folder: Path, model: str) -> float:
    """Return the images/s of the second to the fifth chunk."""
    (found,) = (folder / "sampled").glob(f"*/{model}/*/")
    chunks = ModelSamples(load(found), 1250, 250, 0, CPU).chunks()
    next(chunks)
    began = time.perf_counter()
    return sum(len(images) for images in chunks) / (time.perf_counter() - began)


def run(folder: Path, model: str, images: int, name: str) -> None:
    """Train in the folder of runs of that name."""
    settings, data = Settings(checkpoint_seconds=1e6, previews=0, logs=1), f"npz:{folder / 'images.npz'}"
    train(model, data, images=images, batch=BATCH, device="cpu", root=folder / name, settings=settings)


def status(name: str) -> int:
    """Return a number of kB of this process's memory."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["r3gan", "conv-vae", "dcgan"])
    parser.add_argument("--size", type=int, default=64, help="height and width of the images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        folder, model, what = arguments.work
        with freed_memory_kept(CPU) as kept:
            pass
        before = status("VmRSS")
        rate = {"training": training, "sampling": sampling}[what](Path(folder), model)
        print(rate, kept, (status("VmHWM") - before) / 1024)
        return
    print(machine())
    peaks: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pixels = np.random.default_rng(0).integers(0, 256, (512, arguments.size, arguments.size, 3), dtype=np.uint8)
        np.savez(folder / "images.npz", images=pixels)
        for model in arguments.models:
            run(folder, model, BATCH, "sampled")
            for what in ("training", "sampling"):

                def rate(keeps: bool, model: str = model, what: str = what) -> float:
                    command = [sys.executable, __file__, "--work", name, model, what]
                    own = {} if keeps else OFF
                    done = subprocess.run(
                        command, text=True, env={**os.environ, **own}, stdout=subprocess.PIPE, check=True
                    )
                    rate, kept, peak = done.stdout.split()[-3:]
                    if kept != str(keeps):
                        sys.exit("freed memory can't be kept here, or the environment says that it is not to be")
                    key = f"{model}, {what}, {'kept' if keeps else 'given back'}"
                    peaks.setdefault(key, []).append(float(peak))
                    return float(rate)

                title = f"{model} {arguments.size}x{arguments.size} {what}, images/s"
                paired(title, lambda: rate(True), lambda: rate(False), arguments.rounds)
    for key, found in peaks.items():
        print(f"peak memory of {key}: {max(found):,.0f} MB above what Python and torch take")


if __name__ == "__main__":
    main()
