"""Evaluation in 1, 2 and 3 parts, with one killed and redone, and under torchrun: one record each, all scores equal.

    python benchmarks/scale/parts.py [--model NAME] [--dataset NAME] [--images N] [--count N]

Trains one run. It is measured by one process, then in parts, each of a process and a cache of its own; of the largest
number of parts, the second is killed by SIGKILL while it extracts, and done again. Then two processes of torchrun
measure it. Prints for each the records and the scores that differ, those of time left out, and the seconds of a part.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TIMED = {"latency", "throughput", "train_seconds"}
"""Metrics that measure times: two processes never agree on them."""

GENKIT = ["-c", "from genkit.cli import main; main()"]


def start(command: list[str], folder: Path, cache: str) -> subprocess.Popen[bytes]:
    """Start a command in a folder with a cache of its own."""
    environment = {**os.environ, "GENKIT_CACHE": str(folder / cache), "OMP_NUM_THREADS": "1"}
    with (folder / f"{cache}.log").open("wb") as log:
        return subprocess.Popen([sys.executable, *command], cwd=folder, env=environment, stdout=log, stderr=log)


def finish(process: subprocess.Popen[bytes], folder: Path, cache: str) -> None:
    """Wait for a process; show what it printed if it failed."""
    if process.wait() != 0:
        print((folder / f"{cache}.log").read_text()[-2000:])
        raise SystemExit(f"{cache} failed with {process.returncode}")


def killed_while_extracting(process: subprocess.Popen[bytes], run: Path, number: int) -> bool:
    """Kill a part once it has begun to write features; False if it was done before."""
    while process.poll() is None:
        if list(run.glob(f"parts/*/part-{number}/**/*.npy")):
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.01)
    return False


def scores(record: Path) -> dict[str, Any]:
    """The scores of a record, without those of time and without the seconds that each took."""
    document = json.loads(record.read_text())
    return {each["name"]: {**each, "seconds": 0} for each in document["scores"] if each["metric"] not in TIMED}


def measured(trained: Path, folder: Path, count: int, parts: int, kill: int) -> Path:
    """Measure a copy of the run in parts, part ``kill`` killed once; return the copy."""
    run = folder / trained.name
    shutil.copytree(trained, run)
    command = [*GENKIT, "eval", "--run", str(run), "-n", str(count), "--no-calibrate"]
    for number in range(1, parts + 1):
        asked = [*command, "--part", f"{number}/{parts}"]
        began = time.monotonic()
        process = start(asked, folder, f"part-{number}")
        if number == kill:
            print(f"  part {number} was {'killed' if killed_while_extracting(process, run, number) else 'too fast'}")
            began = time.monotonic()
            process = start(asked, folder, f"again-{number}")
            finish(process, folder, f"again-{number}")
        else:
            finish(process, folder, f"part-{number}")
        print(f"  part {number}: {time.monotonic() - began:.1f} s")
    return run


def by_torchrun(trained: Path, folder: Path, count: int) -> Path:
    """Measure a copy of the run by two processes of torchrun; return the copy."""
    run = folder / trained.name
    shutil.copytree(trained, run)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python", "--"]
    command = [*launcher, sys.executable, *GENKIT, "eval", "--run", str(run), "-n", str(count), "--no-calibrate"]
    finish(start(command, folder, "torchrun"), folder, "torchrun")
    return run


def compared(what: str, run: Path, expected: dict[str, Any]) -> bool:
    """Print how many records a run has, and which of their scores differ from those of one process."""
    records = list(run.glob("records/*.json"))
    found = [scores(each) for each in records]
    different = [name for name in expected if any(each.get(name) != expected[name] for each in found)]
    print(f"{what}: {len(records)} record, {len(expected)} scores, {len(different)} differ {different or ''}")
    return len(records) == 1 and not different and found[0].keys() == expected.keys()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="ppca")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--images", default="20k", help="training images")
    parser.add_argument("--count", type=int, default=5000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        train = ["train", "--model", given.model, "--dataset", given.dataset, "--runs", "runs"]
        budget = ["--images", given.images] if given.model != "ppca" else []
        finish(start([*GENKIT, *train, *budget], root, "trained"), root, "trained")
        (trained,) = (each.parent for each in root.glob("runs/*/*/*/run.json"))
        one = root / "one"
        one.mkdir()
        shutil.copytree(trained, one / trained.name)
        alone = [*GENKIT, "eval", "--run", str(one / trained.name), "-n", str(given.count), "--no-calibrate"]
        began = time.monotonic()
        finish(start(alone, one, "one"), one, "one")
        print(f"one process: {time.monotonic() - began:.1f} s")
        (record,) = one.glob("*/records/*.json")
        expected = scores(record)
        passed = []
        for parts in (1, 2, 3):
            folder = root / f"parts-{parts}"
            folder.mkdir()
            run = measured(trained, folder, given.count, parts, kill=2 if parts == 3 else 0)
            passed.append(compared(f"{parts} parts", run, expected))
        folder = root / "torchrun"
        folder.mkdir()
        passed.append(compared("2 processes of torchrun", by_torchrun(trained, folder, given.count), expected))
    print("all equal" if all(passed) else "NOT equal")
    raise SystemExit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
