"""Run the README's first commands in an empty folder and put what they print between its marks.

uv run python benchmarks/first_hour.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from genkit.paths import cache_dir

README = Path(__file__).resolve().parent.parent / "README.md"
COMMANDS = (["eval", "--model", "dcgan"], ["eval", "--model", "conv-vae"], ["eval", "--model", "vae"], ["leaderboard"])
SHOWN = (0, 3)
SHELL = {**os.environ, "COLUMNS": "120"}


def main() -> None:
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for number, arguments in enumerate(COMMANDS):
            command = [sys.executable, "-c", "from genkit.cli import main; main()", *arguments]
            done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env=SHELL)
            if number in SHOWN:
                shown = done.stdout.rstrip().replace(str(cache_dir()), "~/.cache/genkit")
                parts.append(f"$ genkit {' '.join(arguments)}\n{shown}")
    block = "```text\n" + "\n\n".join(parts) + "\n```"
    text = README.read_text()
    text = re.sub(
        r"(<!-- first-hour -->\n).*?(<!-- /first-hour -->)", lambda m: f"{m[1]}{block}\n{m[2]}", text, flags=re.DOTALL
    )
    README.write_text(text)
    print(block)


if __name__ == "__main__":
    main()
