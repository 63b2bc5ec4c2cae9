"""The report of 1,000 records: seconds to make the page, and to load, sort and filter it in headless Chromium.

Goal: it loads in under 2 s. Needs chromium: uv run python benchmarks/speed/report.py
"""

from __future__ import annotations

import json
import math
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from chromium import Chromium  # noqa: E402
from making import record, score, training  # noqa: E402

from genkit.report.leaderboard import leaderboard  # noqa: E402
from genkit.results import store  # noqa: E402

RECORDS, ROUNDS = 1000, 5
METRICS = ("kid", "precision", "recall", "density", "coverage", "is", "mifid", "authenticity", "vendi")
COSTS = {"parameters": "lower", "latency": "lower", "throughput": "higher", "train_seconds": "lower"}
FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


def records(seeds: int):
    """Models of known order with forty replicates a score, ten classes and curves, as an evaluation leaves them."""
    chance = random.Random(0)

    def measured(value, **facts):
        replicates = tuple(value + chance.gauss(0, abs(value) / 400) for _ in range(40))
        return score(value, half=abs(value) / 40, replicates=replicates, **facts)

    for place in range(RECORDS // seeds):
        for seed in range(seeds):
            value = (1 + place / 100) * math.exp(chance.gauss(0, 0.1))
            scores = [measured(value)]
            scores += [measured(value, name=f"{name}[digits-cnn]") for name in METRICS]
            scores += [measured(value, name=name, direction=better, choices={}) for name, better in COSTS.items()]
            parts = {str(digit): value * chance.uniform(1, 2) for digit in range(10)}
            scores.append(measured(value, name="fid_per_class[digits-cnn]", parts=parts))
            options = {"latent": 20, "width": 500, "learning_rate": 0.001}
            absent = {"elbo": "no likelihood bound"}
            yield record(f"model-{place}", *scores, trained=training(seed=seed), options=options, absent=absent)


def browse(page: Path) -> dict[str, float]:
    """Seconds in a browser that has just started, as a reader's does."""
    browser = Chromium()
    try:
        browser.look()
        seconds = {"load": browser.open(page)}
        for name, action in {
            "sort": "document.querySelector('#standings th:nth-child(3) button').click()",
            "filter": "(() => { const f = document.getElementById('filter'); f.value = 'model-7';"
            "f.dispatchEvent(new Event('input')) })()",
            "plot": "document.querySelector('[data-plot]').scrollIntoView({behavior: 'instant'})",
        }.items():
            began = time.perf_counter()
            browser.run(action)
            if name == "plot":
                browser.wait("document.querySelector('svg.main-svg') !== null")
            browser.run(FRAME)
            seconds[name] = time.perf_counter() - began
        assert browser.complaints() == []
        return seconds
    finally:
        browser.close()


def main() -> None:
    curves = {"images": list(range(200)), "curves": {"generator": [math.exp(-i / 50) for i in range(200)]}}
    for seeds in (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            for each in records(seeds):
                store.add(Path(folder), each, {"curves.json": json.dumps(curves).encode()})
            began = time.perf_counter()
            found = leaderboard(folder)
            ranked = time.perf_counter()
            page = Path(folder, "board.html")
            page.write_text(found.html())
            made = time.perf_counter()
            print(f"{RECORDS} records, {seeds} seeds a model: read and ranked in {ranked - began:.2f} s, ", end="")
            print(f"page made in {made - ranked:.2f} s, {page.stat().st_size / 1e6:.1f} MB", flush=True)
            rounds = [browse(page) for _ in range(ROUNDS)]
            for name in rounds[0]:
                times = [each[name] for each in rounds]
                print(f"  {name}: median {statistics.median(times):.2f} s (to {max(times):.2f} s)", flush=True)


if __name__ == "__main__":
    main()
