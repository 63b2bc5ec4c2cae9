"""Two processes against one, each pinned to a core and a thread: images/s of dcgan at 32x32, and the all-reduce's share.

uv run python benchmarks/scale/throughput.py --images 20000 --rounds 3

Each round trains in one process, in two that know nothing of each other, and in two that train together. What the two
apart lack of twice the images is the machine's: its cores share memory, caches and power.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
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
    rank, core = int(os.environ.get("RANK", "0")), int(os.environ.get("RANK", os.environ.get("CORE", "0")))
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000, help="of each process")
    parser.add_argument("--model", default="dcgan")
    parser.add_argument("--batch", type=int, default=64, help="of each process")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.model, arguments.images, arguments.batch)
        return
    own = [__file__, "--images", str(arguments.images), "--model", arguments.model, "--batch", str(arguments.batch)]
    apart, together = list[float](), list[float]()
    for _ in range(arguments.rounds):
        (one,) = speeds([own], [0])
        apart.append(sum(speeds([own, own], [0, 1])) / one)
        (both,) = speeds([["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *own]], [0])
        together.append(both / one)
        print(
            f"one {one:,.0f} images/s; times as many: two apart {apart[-1]:.2f}, together {together[-1]:.2f}",
            flush=True,
        )
    ratio = statistics.median(together)
    print(
        f"medians: two apart {statistics.median(apart):.2f}, two together {ratio:.2f} times the images of one process"
    )
    sys.exit(ratio < 1.6)


def speeds(commands: list[list[str]], cores: list[int]) -> list[float]:
    """Return the images/s of each command, which run at once; say what processes that train together wait for."""
    found = list[float]()
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in commands]
        running = [
            subprocess.Popen(
                [sys.executable, *command, "--work", folder],
                env={**os.environ, "OMP_NUM_THREADS": "1", "CORE": str(core)},
                stderr=stack.enter_context(Path(folder, "stderr").open("w")),
            )
            for command, folder, core in zip(commands, folders, cores, strict=True)
        ]
        if any([each.wait() for each in running]):  # noqa: C419 all of them are waited for
            sys.exit("\n".join(Path(folder, "stderr").read_text()[-2000:] for folder in folders))
        for folder in folders:
            parts = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]
            found.append(parts[0]["images"] / max(part["seconds"] for part in parts))
            for rank, part in enumerate(parts if len(parts) > 1 else []):
                shares = (f"{name} {part[key] / part['seconds']:.1%}" for name, key in NAMES.items())
                print(f"  process {rank}: {', '.join(shares)} of {part['seconds']:.1f} s, waiting included")
    return found


NAMES = {"averages of gradients and statistics": "averages", "whether to stop": "stop"}


if __name__ == "__main__":
    main()
