"""Take a picture of a page for the docs, at most 150 KB.

uv run python benchmarks/picture.py benchmarks/results/digits/report.html docs/images/leaderboard.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from chromium import Chromium  # noqa: E402

MOST_BYTES = 150_000


def take(page: Path, picture: Path, width: int = 1200, height: int = 1000) -> None:
    """Write the top of a page as a PNG of 256 colours, or of fewer where the file would be too large."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    browser = Chromium()
    try:
        browser.look(width, height)
        browser.call("Emulation.setScrollbarsHidden", hidden=True)
        browser.open(page.resolve())
        browser.screenshot(picture)
    finally:
        browser.close()
    image = Image.open(picture).convert("RGB")
    for colours in (256, 64, 16):
        image.quantize(colours, dither=Image.Dither.NONE).save(picture, optimize=True)
        if picture.stat().st_size <= MOST_BYTES:
            return


if __name__ == "__main__":
    take(*map(Path, sys.argv[1:]))
