"""Whether trackers hold what log.jsonl holds of a run that was killed again and again, in one and in two processes.

    python benchmarks/scale/trackers.py [--kills 5] [--images 100k] [--processes 1 2] [--seed 0]

Trains dcgan on the digits by ``genkit train --track tensorboard,wandb,mlflow``, kills one of its processes by SIGKILL at a
random moment and resumes it, until there were so many kills and the run has finished. Then every point of every curve that TensorBoard, W&B
(offline) and MLflow (a local folder) hold is compared with log.jsonl, and the steps of the grids. Exits with 1 if any differs.
It needs genkit-trackers with its three libraries, and Linux: a process's children are read from /proc.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "plugins" / "genkit-trackers" / "tests"))

import readback

TRACKERS = ("tensorboard", "wandb", "mlflow")
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false", "OMP_NUM_THREADS": "1"}


def launched(processes: int, *arguments: str) -> subprocess.Popen[str]:
    """Start ``genkit train`` in one process, or in several under torchrun."""
    torchrun = [*("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "--no-python", "--")]
    launch = [*torchrun, sys.executable] if processes > 1 else []
    command = [sys.executable, *launch, "-m", "genkit", "train", *arguments]
    return subprocess.Popen(
        command, env={**os.environ, **QUIET}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def ranks(process: subprocess.Popen[str], processes: int) -> list[int]:
    """The ids of the processes that train: the launched one, or those that it started, process 0 first."""
    if processes == 1:
        return [process.pid]
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return sorted(int(child) for child in children)


def killed_and_resumed(root: Path, processes: int, kills: int, images: str, chance: random.Random) -> tuple[Path, int]:
    """Train a run to its end through kills at random moments; return its folder and how many kills met it alive."""
    done, began = 0, time.monotonic()
    budget = ("--model", "dcgan", "--images", images, "--track", ",".join(TRACKERS))
    settings = ("--checkpoint-seconds", "0.5", "--device", "cpu", "--runs", str(root))
    while True:
        found = [file.parent for file in root.glob("*/*/*/run.json")]
        what = ("--resume", str(found[0])) if found else budget
        process = launched(processes, *what, *settings)
        if done < kills:
            log = found[0] / "log.jsonl" if found else None
            size = log.stat().st_size if log is not None else 0
            while process.poll() is None:  # until it trains: a kill before that tries nothing
                files = list(root.glob("*/*/*/log.jsonl"))
                if files and files[0].stat().st_size > size:
                    break
                time.sleep(0.05)
            time.sleep(chance.uniform(0, 3))
            if process.poll() is None:
                os.kill(chance.choice(ranks(process, processes)), signal.SIGKILL)
                done += 1
        errors = process.communicate()[1]
        if "switched off" in errors:
            sys.exit(f"a tracker failed: {errors}")
        (run,) = (file.parent for file in root.glob("*/*/*/run.json"))
        if process.returncode == 0:
            print(f"{processes} processes: {done} kills, {time.monotonic() - began:.0f} s")
            return run, done
        if process.returncode > 0 and processes == 1:
            sys.exit(f"genkit train failed: {errors}")


def main() -> None:
    """Kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--images", default="100k")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance, faults = random.Random(asked.seed), []
    for processes in asked.processes:
        with tempfile.TemporaryDirectory() as folder:
            run, _ = killed_and_resumed(Path(folder), processes, asked.kills, asked.images, chance)
            curves = readback.log(run)
            points = sum(map(len, curves.values()))
            for tracker in TRACKERS:
                different = readback.differences(run, tracker)
                faults += different
                verdict = f"{len(different)} differ" if different else "all equal"
                print(f"  {tracker}: {len(curves) + 1} curves, {points} points of log.jsonl, {verdict}")
    if faults:
        sys.exit("\n".join(fault[:500] for fault in faults))


if __name__ == "__main__":
    main()
