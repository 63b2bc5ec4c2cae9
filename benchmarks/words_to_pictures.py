"""Run the tutorial from captions to a tuned model as it is typed, in an empty folder; its pictures go into the docs.

uv run python benchmarks/words_to_pictures.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from pages import blocks, script  # noqa: E402

PAGE = ROOT / "docs" / "tutorial" / "words-to-pictures.md"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in blocks(PAGE).items():
            (folder / file).write_text(text)
        subprocess.run(["bash", "-euxc", script(PAGE)], cwd=folder, check=True)
        for picture in folder.glob("words-*.png"):
            shutil.copyfile(picture, ROOT / "docs" / "images" / picture.name)


if __name__ == "__main__":
    main()
