"""Random SIGKILLs of either of two processes under torchrun with restarts: one run, bit-identical to one never killed.

uv run python benchmarks/scale/kills.py --kills 20
uv run python benchmarks/scale/kills.py --kills 10 --machines 2
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from launched import meeting, ranks, state, torchrun, wait_for


def newest(run: Path) -> str:
    """Return the name of a run's newest checkpoint, or nothing."""
    return max((path.name for path in (run / "checkpoints").glob("step-*.safetensors")), default="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--model", default="dcgan")
    parser.add_argument("--images", default="200k", help="enough that the run lasts longer than the kills")
    parser.add_argument("--most", type=float, default=4.0, help="seconds from a new checkpoint to a kill, at most")
    parser.add_argument("--machines", type=int, choices=[1, 2], default=1, help="2: each process has its own torchrun")
    arguments = parser.parse_args()
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        train = ["train", "--model", arguments.model, "--images", arguments.images, "--device", "cpu"]
        train += ["--checkpoint-seconds", "0.5", "--no-metadata", "--runs", str(folder / "runs"), "--at"]
        began = time.monotonic()
        whole = folder / "runs" / "digits" / arguments.model / "whole"
        if torchrun(*train, str(whole), logs=folder / "logs-whole").wait() != 0:
            sys.exit("the uninterrupted run failed: look at its logs")
        expected = state(whole)
        print(f"uninterrupted: {time.monotonic() - began:.1f} s, {expected}", flush=True)

        killed = folder / "runs" / "digits" / arguments.model / "killed"
        one = meeting(2) if arguments.machines == 2 else ["--standalone"]
        machines = [
            torchrun(
                *train,
                str(killed),
                logs=folder / f"logs-{number}",
                restarts=arguments.kills + 10,
                processes=2 // arguments.machines,
                meet=one,
            )
            for number in range(arguments.machines)
        ]
        process = machines[0]

        def alive() -> dict[int, int]:
            return {rank: pid for machine in machines for rank, pid in ranks(machine.pid).items()}

        done, known = 0, set[int]()
        while done < arguments.kills and process.poll() is None:
            if not wait_for(lambda known=set(known): len(set(alive().values()) - known) == 2, process):
                break
            before, trains = newest(killed), done % 3 > 0  # of three kills one comes while they start
            if trains and not wait_for(lambda before=before: newest(killed) != before, process):
                break
            moment = rng.uniform(0.0, arguments.most) if trains else rng.uniform(0.0, 8.0)
            time.sleep(moment)
            found = alive()
            victim = rng.choice(sorted(found)) if found else None
            if victim is None or process.poll() is not None:
                continue
            known |= set(found.values())
            os.kill(found[victim], signal.SIGKILL)
            done += 1
            what = "of training" if trains else "of their start"
            print(f"{done}: rank {victim} killed after {moment:.1f} s {what}, {newest(killed) or '-'}", flush=True)
        code = max(machine.wait() for machine in machines)
        runs = [path.parent for path in (folder / "runs").glob("*/*/*/run.json")]
        equal = code == 0 and state(killed) == expected
        print(f"{done} kills, torchrun's code {code}, {len(runs) - 1} run: {'bit-identical' if equal else 'DIFFERENT'}")
        sys.exit(not (equal and done == arguments.kills and len(runs) == 2))


if __name__ == "__main__":
    main()
