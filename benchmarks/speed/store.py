"""Reading a store of 2,000 ordinary records: seconds of wall clock and processor. Goal: well under 0.5 s of processor.

uv run python benchmarks/speed/store.py
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from pathlib import Path

from genkit import store
from genkit.records import Record, RecordedScore, Subject

RECORDS, SCORES, REPLICATES = 2000, 12, 100
CHOICES = {f"group.choice-{number}": "twenty letters of it" for number in range(12)}


def record(number: int, draw: random.Random) -> Record:
    """A record of the size that an evaluation with a dozen scores writes."""
    scores = tuple(
        RecordedScore(
            name=f"metric-{each}[digits-cnn]",
            metric=f"metric-{each}",
            version=1,
            direction="lower",
            value=draw.random(),
            stderr=0.1,
            ci_low=0.0,
            ci_high=1.0,
            method="two-sample block jackknife",
            n=5000,
            choices=CHOICES,
            replicates=tuple(draw.random() for _ in range(REPLICATES)),
        )
        for each in range(SCORES)
    )
    subject = Subject(f"model-{number}", dist="genkit-gans", options={"number": number})
    return Record("2026-01-01T00:00:00+00:00", "digits", subject, {"data": {"name": "digits"}}, scores)


def main() -> None:
    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(RECORDS):
            store.add(Path(folder, str(number % 100)), record(number, draw))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.json"))
        store.read(Path(folder, "0"))  # imports and builds the validator
        wall, processor = [], []
        for _ in range(7):
            began, used = time.perf_counter(), time.process_time()
            found = store.read(folder)
            wall.append(time.perf_counter() - began)
            processor.append(time.process_time() - used)
            assert len(found.records) == RECORDS and not found.problems
    print(f"{RECORDS:,} records, {size / 1e6:.0f} MB: median {statistics.median(wall):.2f} s", end="")
    print(f" (from {min(wall):.2f}), processor {statistics.median(processor):.2f} s (from {min(processor):.2f})")


if __name__ == "__main__":
    main()
