"""What checking hashes costs: the share of an evaluation from a warm cache that is spent on hashing kept files.

    python benchmarks/integrity.py [dataset] [--model NAME] [--count N]

Trains a short run, evaluates it once to fill the cache, and then again with the time in genkit.files.integrity counted.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genkit.data import open_dataset
from genkit.evaluation.config import EvalConfig
from genkit.evaluation.evaluate import evaluate
from genkit.files import integrity
from genkit.training.api import train

SPENT = [0.0]
"""Seconds spent on hashing."""


def timed(work: Callable[..., Any]) -> Callable[..., Any]:
    """Count the seconds of a function that calls no other timed one."""

    @functools.wraps(work)
    def run(*arguments: Any, **keywords: Any) -> Any:
        began = time.perf_counter()
        try:
            return work(*arguments, **keywords)
        finally:
            SPENT[0] += time.perf_counter() - began

    return run


def main() -> None:
    """Print seconds of an evaluation, seconds of checks, and their share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", default="digits")
    parser.add_argument("--model", default="ppca")
    parser.add_argument("--count", type=int, default=10_000)
    given = parser.parse_args()
    integrity._fed = timed(integrity._fed)
    integrity._of_document = timed(integrity._of_document)
    with tempfile.TemporaryDirectory() as root:
        run = train(given.model, open_dataset(given.dataset), root=Path(root))
        config = EvalConfig(count=given.count, metrics="fid,kid,precision,recall")
        evaluate(run, config)
        SPENT[0], began = 0.0, time.perf_counter()
        open_dataset(given.dataset)
        evaluate(run, config)
        whole = time.perf_counter() - began
    print(f"evaluation {whole:.2f} s, checks {SPENT[0]:.4f} s: {100 * SPENT[0] / whole:.2f} %")


if __name__ == "__main__":
    main()
