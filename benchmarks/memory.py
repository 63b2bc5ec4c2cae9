"""Peak memory of ``genkit compare`` on 100 and 100 photos of 512x512, by every extractor. Goal: at most 2 GB each.

uv run python benchmarks/memory.py [EXTRACTOR ...]

Each comparison is a process of its own with an empty cache, and measures all metrics. Networks have random weights in the
layout of the published files; extractors whose libraries are absent are named and left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from genkit.features.backbones import CLIP, DINOV2
from genkit.features.inception_layout import untrained_state

GOAL = 2e9
_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of a unit of ru_maxrss."""


def photos(folder: Path, count: int, size: int, seed: int) -> None:
    """Write smooth random colour images."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        coarse.resize((size, size), Image.Resampling.BICUBIC).save(folder / f"{index:05d}.jpg", quality=90)


def torchvision_state() -> dict[str, torch.Tensor]:
    models = importlib.import_module("torchvision.models")
    return models.inception_v3(weights=None, aux_logits=True, init_weights=False).state_dict()


def dinov2_state() -> dict[str, torch.Tensor]:
    timm = importlib.import_module("timm")
    return timm.create_model(next(iter(DINOV2.values())), num_classes=0, img_size=224).state_dict()


def clip_state() -> dict[str, torch.Tensor]:
    open_clip = importlib.import_module("open_clip")
    return open_clip.CLIP(**open_clip.get_model_config(CLIP[0])).state_dict()


EXTRACTORS: dict[str, tuple[str, Callable[[], dict[str, torch.Tensor]] | None]] = {
    "random-conv": ("torch", None),
    "inception": ("torch", untrained_state),
    "inception-64": ("torch", untrained_state),
    "inception-torchvision": ("torchvision", torchvision_state),
    "dinov2": ("timm", dinov2_state),
    "clip": ("open_clip", clip_state),
}
"""The library that each needs, and its weights. digits-cnn and pixels take small images only."""


def peak(command: list[str], folder: Path) -> float:
    """Run a command and return the largest resident set that it had, in bytes."""
    log = folder / "log.txt"
    with log.open("wb") as file:
        environment = {**os.environ, "GENKIT_CACHE": str(folder / "cache")}
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=folder, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text()}")
    return usage.ru_maxrss * _UNIT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("extractors", nargs="*", default=list(EXTRACTORS))
    parser.add_argument("--images", type=int, default=100, help="in each folder")
    parser.add_argument("--size", type=int, default=512)
    arguments = parser.parse_args()
    program = str(Path(sys.executable).parent / "genkit")
    largest = 0.0
    for name in arguments.extractors:
        library, weights = EXTRACTORS[name]
        if importlib.util.find_spec(library) is None:
            print(f"{name}: not measured, as {library} is not installed")
            continue
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root)
            for seed, side in enumerate("ab"):
                photos(folder / side, arguments.images, arguments.size, seed)
            command = [program, "compare", "a", "b", "--features", name]
            if weights is not None:
                torch.save(weights(), folder / "weights.pth")
                command += ["--weights", "weights.pth"]
            found = peak(command, folder)
        largest = max(largest, found)
        print(f"{name}: {found / 1e9:.2f} GB", flush=True)
    print(f"largest {largest / 1e9:.2f} GB, goal {GOAL / 1e9:.0f} GB: {'kept' if largest <= GOAL else 'NOT KEPT'}")
    raise SystemExit(largest > GOAL)


if __name__ == "__main__":
    main()
