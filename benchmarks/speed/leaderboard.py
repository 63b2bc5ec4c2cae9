"""The terminal board of 2,000 models, each with a dozen scores: seconds beyond imports. Goal: less than 1, without torch.

uv run python benchmarks/speed/leaderboard.py
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from genkit.ranking.board import rank
from genkit.report import text
from genkit.results import store
from genkit.results.records import Record, RecordedScore, Subject

RECORDS, SCORES, REPLICATES = 2000, 12, 40
"""As many replicates as the two-sample jackknife of 20 blocks has."""
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
    seconds: dict[str, list[float]] = {"read": [], "rank": [], "print": [], "all": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(RECORDS):
            store.add(Path(folder, str(number % 100)), record(number, draw))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.json"))
        text.leaderboard(rank(store.read(Path(folder, "0")).records))  # imports, and builds the validator
        for _ in range(7):
            moments = [time.perf_counter()]
            records = store.read(folder).records
            moments.append(time.perf_counter())
            board = rank(records)
            moments.append(time.perf_counter())
            assert len(text.leaderboard(board).splitlines()) > RECORDS
            moments.append(time.perf_counter())
            for name, began, ended in zip(seconds, moments, moments[1:], strict=False):
                seconds[name].append(ended - began)
            seconds["all"].append(moments[-1] - moments[0])
    assert "torch" not in sys.modules
    print(f"{RECORDS:,} records, {size / 1e6:.0f} MB; medians of 7, the least in brackets")
    for name, found in seconds.items():
        print(f"  {name:5} {statistics.median(found):.2f} s ({min(found):.2f})")


if __name__ == "__main__":
    main()
