"""Signals without restarts, to the launcher, to one process or to all within 100 ms: a whole checkpoint each time.

uv run python benchmarks/scale/sigterms.py --tries 50
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from launched import ranks, said, torchrun, wait_for

PLACES = ("launcher", "rank 0", "rank 1", "all")


def send(place: str, number: int, launcher: int, found: dict[int, int], rng: random.Random) -> None:
    """Send a signal to a place; to all within 100 ms, in any order."""
    if place == "launcher":
        os.kill(launcher, number)
    elif place != "all":
        os.kill(found[int(place[-1])], number)
    else:
        moments = sorted((rng.uniform(0.0, 0.1), each) for each in (launcher, *found.values()))
        began = time.monotonic()
        for moment, each in moments:
            time.sleep(max(0.0, began + moment - time.monotonic()))
            try:
                os.kill(each, number)
            except ProcessLookupError:  # it has saved and ended already
                continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=50)
    parser.add_argument("--model", default="dcgan")
    parser.add_argument("--signals", default="SIGTERM", help="e.g. SIGTERM,SIGINT,SIGUSR2, in turn")
    arguments = parser.parse_args()
    from genkit.training import checkpoint
    from genkit.training.runs import open_run

    rng = random.Random(0)
    names = arguments.signals.split(",")
    ended = collections.Counter[str]()
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(arguments.tries):
            place, name = PLACES[number % len(PLACES)], names[number // len(PLACES) % len(names)]
            path, logs = Path(temporary, f"run-{number}"), Path(temporary, f"logs-{number}")
            train = ["train", "--model", arguments.model, "--images", "10M", "--device", "cpu", "--at", str(path)]
            process = torchrun(*train, logs=logs)
            begun = wait_for(lambda path=path: (path / "log.jsonl").exists(), process)  # type: ignore[misc]
            found = ranks(process.pid)
            time.sleep(rng.uniform(0.0, 1.0))
            if begun and len(found) == 2:
                send(place, getattr(signal, name), process.pid, found, rng)
            code = process.wait()
            wrong = []
            try:
                run = open_run(path)
                if run.status.state != "interrupted" or run.status.reason:
                    wrong.append(f"status {run.status}")
                checkpoint.load(run.newest_checkpoint())
            except Exception as error:
                wrong.append(str(error))
            told = said(logs)
            if "stopped after" not in told.get("0", "").rpartition("\n\n")[2]:
                wrong.append(f"rank 0 said {told.get('0', '')[-500:]!r}")
            if told.get("1", ""):
                wrong.append(f"rank 1 said {told['1'][-500:]!r}")
            ended["wrong" if wrong else "interrupted"] += 1
            print(f"{number + 1}: {name} to {place}, torchrun's code {code}: {'; '.join(wrong) or 'whole'}", flush=True)
    print(dict(ended))
    sys.exit(ended["interrupted"] != arguments.tries)


if __name__ == "__main__":
    main()
