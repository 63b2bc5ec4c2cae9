"""Attack genkit in a small world of its own and say what it survived: see docs/reference/survives.md.

uv run python benchmarks/attacks.py --minutes 90
uv run python benchmarks/attacks.py --class flips --tries 500 --seed 0
uv run python benchmarks/attacks.py --class flips --seed 0 --only 17
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # before this folder, in which this file has the name of that package
os.environ.setdefault("OMP_NUM_THREADS", "1")

from attacks import catalogue, table, world  # noqa: E402
from attacks.trying import LIMIT, MEMORY, Outcome, attempt  # noqa: E402


def main() -> None:
    """Run the tries in turn, one of each class, so that a run that is cut short has tried them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--class", dest="names", action="append", choices=sorted(catalogue.CLASSES), help="default: all"
    )
    parser.add_argument("--tries", type=int, help="tries of each class; default 500, and 60 of real processes")
    parser.add_argument("--minutes", type=float, default=90.0, help="begin no try after so many minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="I", help="try number I alone, and show all that it printed")
    parser.add_argument("-v", "--verbose", action="store_true", help="say of each try what it did and what was said")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table between the marks in this page")
    arguments = parser.parse_args()
    names = arguments.names or list(catalogue.CLASSES)
    due = {name: arguments.tries or catalogue.TRIES[name] for name in names}
    outcomes: list[Outcome] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="world-") as folder:
        clean = world.build(Path(folder))
        print(f"the world took {time.monotonic() - began:.0f} s; at most {LIMIT:g} s and {MEMORY / 1e6:,.0f} MB a try")
        for name, number in catalogue.in_turn(due) if arguments.only is None else [(names[0], arguments.only)]:
            if time.monotonic() - began > 60 * arguments.minutes:
                print(f"{arguments.minutes:g} minutes are over")
                break
            outcome = attempt(
                catalogue.CLASSES[name], name, arguments.seed, number, clean, limit=catalogue.LIMITS.get(name, LIMIT)
            )
            outcomes.append(outcome)
            if arguments.verbose:
                print(table.line(outcome), flush=True)
            if outcome.problems:
                print(table.failure(outcome), flush=True)
            if arguments.only is not None:
                print(table.shown(outcome))
    print(table.text(outcomes))
    if arguments.markdown is not None:
        table.write_into(arguments.markdown, outcomes, arguments.seed)
    sys.exit(any(outcome.problems for outcome in outcomes))


if __name__ == "__main__":
    main()
