"""Run the README's first commands in an empty folder: their output goes between its marks, their pictures into the docs.

uv run python benchmarks/first_hour.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from picture import take

from genkit.files.folders import cache_dir

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
IMAGES = ROOT / "docs" / "images"
COMMANDS = (
    "eval --model dcgan",
    "eval --model conv-vae",
    "eval --model vae",
    "leaderboard",
    "sample --model dcgan --grid first-hour-samples.png",
    "reconstruct --model conv-vae --grid first-hour-reconstructions.png",
    "interpolate --model dcgan --grid first-hour-walk.png",
)
PRINTED = ("eval --model dcgan", "leaderboard")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | {"COLUMNS": "120"}
"""With as many threads as anyone's: their number changes the last bits of what is trained."""


def main() -> None:
    parts = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for line in COMMANDS:
            command = [sys.executable, "-c", "from genkit.cli import main; main()", *line.split()]
            done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env=ENVIRONMENT)
            if line in PRINTED:
                output = done.stdout.rstrip().replace(str(cache_dir()), "~/.cache/genkit")
                parts.append(f"$ genkit {line}\n{output}")
        for picture in folder.glob("first-hour-*.png"):
            shutil.copyfile(picture, IMAGES / picture.name)
        report = next(folder.glob("runs/digits/dcgan/*/report.html"))
        take(report, IMAGES / "first-hour-report.png", width=1300)
    block = "```text\n" + "\n\n".join(parts) + "\n```"
    text = README.read_text()
    marks = re.compile(r"(<!-- first-hour -->\n).*?(<!-- /first-hour -->)", re.DOTALL)
    README.write_text(marks.sub(lambda match: f"{match[1]}{block}\n{match[2]}", text))
    print(block)


if __name__ == "__main__":
    main()
