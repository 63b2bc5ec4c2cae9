"""Take the README's picture of a report.

uv run python benchmarks/picture.py benchmarks/results/digits/report.html docs/images/leaderboard.png
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from chromium import Chromium  # noqa: E402


def main() -> None:
    page, picture = map(Path, sys.argv[1:])
    picture.parent.mkdir(parents=True, exist_ok=True)
    browser = Chromium()
    try:
        browser.look(1200, 860)
        browser.open(page.resolve())
        browser.screenshot(picture)
    finally:
        browser.close()


if __name__ == "__main__":
    main()
