"""Exact resume: a run killed with SIGKILL at random moments and resumed ends bit-identical to one never killed.

uv run python benchmarks/resume.py --kills 10
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def genkit(*arguments: str, kill_after: float | None = None) -> subprocess.CompletedProcess[str] | None:
    """Run genkit; with ``kill_after`` kill it with SIGKILL after so many seconds and return None."""
    command = [sys.executable, "-c", "from genkit.cli import main; main()", *arguments]
    if kill_after is None:
        return subprocess.run(command, check=True, capture_output=True, text=True)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(kill_after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return None


def state(run: Path) -> dict[str, str]:
    """Hash what must be equal: every tensor of the last checkpoint, the log without its seconds, the sample grid."""
    from genkit.training import checkpoint

    newest = sorted((run / "checkpoints").glob("step-*.safetensors"))[-1]
    tensors, meta = checkpoint.load(newest)
    content = hashlib.sha256()
    for name in sorted(tensors):
        content.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    log = json.dumps([{key: value for key, value in line.items() if key != "seconds"} for line in lines])
    return {
        "checkpoint": newest.name,
        "tensors": content.hexdigest(),
        "drawn": str(meta["drawn"]),
        "log": hashlib.sha256(log.encode()).hexdigest(),
        "samples": hashlib.sha256((run / "samples.png").read_bytes()).hexdigest(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--model", default="dcgan")
    parser.add_argument("--images", default="40k")
    arguments = parser.parse_args()
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        train = ["train", "--model", arguments.model, "--images", arguments.images, "--checkpoint-seconds", "0.5"]
        train += ["--no-metadata"]  # by which a grid names its run, and runs differ
        began = time.perf_counter()
        whole = genkit(*train, "--runs", f"{folder}/whole")
        assert whole is not None
        length = time.perf_counter() - began
        expected = state(Path(whole.stdout.strip()))
        print(f"uninterrupted: {length:.1f} s, {expected}")
        same = 0
        for number in range(arguments.kills):
            root = Path(folder, f"killed-{number}")
            moment = rng.uniform(0.1, 1.0) * length
            genkit(*train, "--runs", str(root), kill_after=moment)
            runs = list(root.glob("*/*/*/run.json"))
            if runs:
                run = runs[0].parent
                kept = len(list((run / "checkpoints").glob("step-*.safetensors")))
                genkit("train", "--resume", str(run), "--no-metadata")
            else:
                kept = 0
                again = genkit(*train, "--runs", str(root))
                assert again is not None
                run = Path(again.stdout.strip())
            equal = state(run) == expected
            same += equal
            print(
                f"killed after {moment:5.1f} s ({kept} checkpoints kept): {'bit-identical' if equal else 'DIFFERENT'}",
                flush=True,
            )
        print(f"{same} of {arguments.kills} resumed runs are bit-identical")
        sys.exit(same != arguments.kills)


if __name__ == "__main__":
    main()
