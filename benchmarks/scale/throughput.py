"""Two processes against one, each pinned to a core and a thread: images/s of dcgan at 32x32, and the all-reduce's share.

uv run python benchmarks/scale/throughput.py --images 20000
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
from typing import Any

WARM = 10
"""Steps that are not counted."""


def work(folder: Path, model: str, images: int, batch: int) -> None:
    """Train as one of the processes, and write how long its steps and its collectives took."""
    rank = int(os.environ.get("RANK", "0"))
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    import numpy as np
    import torch

    from genkit.training import distributed
    from genkit.training.api import train
    from genkit.training.loop import Loop
    from genkit.training.settings import Settings

    torch.set_num_threads(1)
    add_up, step = distributed._add_up, Loop._step
    spent, steps = [0.0, 0.0], list[float]()

    def timed(tensor: Any) -> None:
        began = time.perf_counter()
        add_up(tensor)
        spent[tensor.numel() > 1] += time.perf_counter() - began  # one number is whether to stop

    def counted(loop: Any, phases: Any) -> None:
        if len(steps) == WARM:
            spent[:] = [0.0, 0.0]
        steps.append(time.perf_counter())
        step(loop, phases)

    setattr(distributed, "_add_up", timed)  # noqa: B010
    setattr(Loop, "_step", counted)  # noqa: B010
    data = folder / "images.npz"
    if rank == 0 and not data.exists():
        pixels = np.random.default_rng(0).integers(0, 256, (4096, 32, 32, 3), dtype=np.uint8)
        np.savez(data, images=pixels)
    while not data.exists():
        time.sleep(0.1)
    total = images * int(os.environ.get("WORLD_SIZE", "1"))
    settings = Settings(checkpoint_seconds=1e6, previews=0, logs=1)
    run = train(model, f"npz:{data}", images=total, batch=batch, device="cpu", root=folder / "runs", settings=settings)
    whole = steps[-1] - steps[WARM]
    drawn = (run.status.images / len(steps)) * (len(steps) - 1 - WARM)
    document = {"seconds": whole, "images": drawn, "stop": spent[0], "averages": spent[1]}
    (folder / f"{os.environ.get('WORLD_SIZE', '1')}-{rank}.json").write_text(json.dumps(document))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000, help="of each process")
    parser.add_argument("--model", default="dcgan")
    parser.add_argument("--batch", type=int, default=64, help="of each process")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.model, arguments.images, arguments.batch)
        return
    own = [__file__, "--images", str(arguments.images), "--model", arguments.model, "--batch", str(arguments.batch)]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    speeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for world, launcher in ((1, []), (2, torchrun)):
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            subprocess.run([sys.executable, *launcher, *own, "--work", folder], check=True, env=environment)
            parts = [json.loads(Path(folder, f"{world}-{rank}.json").read_text()) for rank in range(world)]
            speeds[world] = parts[0]["images"] / max(part["seconds"] for part in parts)
            print(f"{world} process(es): {speeds[world]:,.0f} images/s", flush=True)
            for rank, part in enumerate(parts if world > 1 else []):
                shares = (f"{name} {part[key] / part['seconds']:.1%}" for name, key in NAMES.items())
                print(f"  rank {rank}: {', '.join(shares)} of {part['seconds']:.1f} s, waiting included")
    print(f"{speeds[2] / speeds[1]:.2f} times the images of one process")
    sys.exit(speeds[2] < 1.6 * speeds[1])


NAMES = {"averages of gradients and statistics": "averages", "whether to stop": "stop"}


if __name__ == "__main__":
    main()
