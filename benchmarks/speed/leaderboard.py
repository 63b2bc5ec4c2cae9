"""Boards of many records: the command's seconds and memory, first and then from the index. Needs no torch.

Goals, from the index: 2,000 records in 1 s beyond imports, 20,000 in 5 s and 400 MB, the page of 3,000 models in 10 s.

uv run python benchmarks/speed/leaderboard.py [RECORDS SEEDS [--html]]
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from genkit.ranking.board import rank
from genkit.report import text
from genkit.results import store
from genkit.results.records import Record, RecordedScore, Subject, Training, content_id, to_json

RECORDS, SCORES, REPLICATES = 2000, 12, 40
"""As many replicates as the two-sample jackknife of 20 blocks has."""
CHOICES = {f"group.choice-{number}": "twenty letters of it" for number in range(12)}
STORES = ((20_000, 4, ()), (20_000, 20, ()), (3_000, 1, ("--html",)))
"""Records, seeds of a model, and flags."""


def record(number: int, draw: random.Random, seeds: int = 1) -> Record:
    """A record of the size that an evaluation with a dozen scores writes."""
    level = 1 + number // seeds / 100
    scores = tuple(
        RecordedScore(
            name=f"metric-{each}[digits-cnn]",
            metric=f"metric-{each}",
            version=1,
            direction="lower",
            value=level * draw.uniform(0.9, 1.1),
            stderr=0.1,
            ci_low=0.0,
            ci_high=1000.0,
            method="two-sample block jackknife",
            n=5000,
            choices=CHOICES,
            replicates=tuple(level * draw.uniform(0.99, 1.01) for _ in range(REPLICATES)),
        )
        for each in range(SCORES)
    )
    trained = Training(f"run-{number}", f"{number:064x}", number % seeds, 1000, "1,000 images", 64, 1.0, "ema")
    subject = Subject(f"model-{number // seeds}", dist="genkit-gans", options={"number": number // seeds})
    return Record("2026-01-01T00:00:00+00:00", "digits", subject, {"data": {"name": "digits"}}, scores, {}, trained)


def fill(folder: Path, records: int, seeds: int) -> int:
    """Write a store, without waiting for the disk, and return its bytes."""
    draw, size = random.Random(0), 0
    (folder / "records").mkdir(parents=True)
    for number in range(records):
        data = to_json(record(number, draw, seeds)).encode()
        (folder / "records" / f"20260101T000000-{content_id(data)}.json").write_bytes(data)
        size += len(data)
    return size


def of_command(records: int, seeds: int, flags: tuple[str, ...]) -> None:
    """Print what ``genkit leaderboard`` takes, in a process of its own and with a cache that is empty at first."""
    with tempfile.TemporaryDirectory() as folder:
        size = fill(Path(folder, "runs"), records, seeds)
        print(f"{records:,} records of {records // seeds:,} models, {size / 1e6:.0f} MB {' '.join(flags)}", flush=True)
        flags += (str(Path(folder, "page.html")),) if flags[-1:] == ("--html",) else ()
        command = [sys.executable, "-m", "genkit", "leaderboard", "--runs", f"{folder}/runs", *flags]
        environment = {**os.environ, "GENKIT_CACHE": f"{folder}/cache"}
        for name in ("first", "from the index", "again"):
            began = time.perf_counter()
            with subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0, command
            seconds, cpu, memory = time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss
            memory //= 1024 if sys.platform != "darwin" else 1 << 20
            print(f"  {name}: {seconds:.1f} s, {cpu:.1f} s of the processor, {memory:,} MB", flush=True)


def of_2000() -> None:
    """Print the seconds beyond imports of a board of 2,000 models, parsed and from the index."""
    draw = random.Random(0)
    seconds: dict[str, list[float]] = {"read": [], "rank": [], "print": [], "all": []}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GENKIT_CACHE"] = f"{folder}/cache"
        runs = Path(folder, "runs")
        for number in range(RECORDS):
            store.add(runs / str(number % 100), record(number, draw))
        size = sum(path.stat().st_size for path in runs.rglob("*.json"))
        text.leaderboard(rank(store.read(runs / "0").records))  # imports, and builds the validator
        for _ in range(7):
            moments = [time.perf_counter()]
            records = store.read(runs).records
            moments.append(time.perf_counter())
            board = rank(records)
            moments.append(time.perf_counter())
            assert len(text.leaderboard(board).splitlines()) > RECORDS
            moments.append(time.perf_counter())
            for name, began, ended in zip(seconds, moments, moments[1:], strict=False):
                seconds[name].append(ended - began)
            seconds["all"].append(moments[-1] - moments[0])
    assert "torch" not in sys.modules
    print(f"{RECORDS:,} records, {size / 1e6:.0f} MB: the first, without an index, then medians of 6 and the least")
    for name, found in seconds.items():
        print(f"  {name:5} {found[0]:.2f} s, {statistics.median(found[1:]):.2f} s ({min(found):.2f})")


def main() -> None:
    if len(sys.argv) > 2:
        of_command(int(sys.argv[1]), int(sys.argv[2]), tuple(sys.argv[3:]))
        return
    of_2000()
    for records, seeds, flags in STORES:
        of_command(records, seeds, flags)


if __name__ == "__main__":
    main()
