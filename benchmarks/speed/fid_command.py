"""FID of two folders of PNGs, from command line to number, against torch-fidelity's command. Goal: >= 2 times as fast.

uv run python benchmarks/speed/fid_command.py --images 1000

Both start a process, import, decode, extract with the same random weights, and compute the distance.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from paired import machine
from PIL import Image

from genkit.features.inception_layout import untrained_state


def folder_of(root: Path, count: int, size: int, seed: int) -> Path:
    """Write smooth random colour images."""
    root.mkdir()
    rng = np.random.default_rng(seed)
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((size, size), Image.Resampling.BICUBIC).save(root / f"{index:05d}.png", compress_level=1)
    return root


def seconds(command: list[str], cwd: Path) -> tuple[float, str]:
    """Run a command; return the seconds it took and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, env=environment(cwd))
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return time.perf_counter() - began, done.stdout


def environment(cwd: Path) -> dict[str, str]:
    """A cache of its own for genkit, so that no earlier run helps."""
    return {**os.environ, "GENKIT_CACHE": str(cwd / "cache")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000, help="in each folder")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    print(machine())
    beside = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        weights = str(root / "inception.pth")
        torch.save(untrained_state(), weights)
        a, b = (str(folder_of(root / side, arguments.images, arguments.size, seed)) for seed, side in enumerate("ab"))
        genkit = [str(beside / "genkit"), "compare", a, b, "--features", "inception"]
        genkit += ["--weights", weights, "--metrics", "fid", "--json"]
        fidelity = [str(beside / "fidelity"), "--gpu", "", "--fid", "--input1", a, "--input2", b, "--json", "--silent"]
        fidelity += ["--feature-extractor-weights-path", weights, "--no-cache"]
        for _ in range(arguments.rounds):
            ours, printed = seconds(genkit, root)
            theirs, said = seconds(fidelity, root)
            value = json.loads(printed)["scores"][0]["value"]
            peer = json.loads(said)["frechet_inception_distance"]
            print(f"genkit {ours:.1f} s, fid {value:.6f}; torch-fidelity {theirs:.1f} s, fid {peer:.6f}")
            print(f"torch-fidelity takes {theirs / ours:.2f} times as long; fid differs by {abs(value / peer - 1):.1e}")


if __name__ == "__main__":
    main()
