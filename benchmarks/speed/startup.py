"""Start of the command line: the median of ten runs. Goal: at most 0.35 s, and no torch.

uv run python benchmarks/speed/startup.py
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    beside = Path(sys.executable).with_name("genkit")
    genkit = str(beside) if beside.exists() else shutil.which("genkit")
    assert genkit, "genkit is not installed in this environment"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    for arguments in (["--help"], ["models"]):
        seconds = []
        for _ in range(11):
            began = time.perf_counter()
            subprocess.run([genkit, *arguments], check=True, capture_output=True, env=environment)
            seconds.append(time.perf_counter() - began)
        print(f"genkit {arguments[0]}: median {statistics.median(seconds[1:]):.3f} s of 10 (first {seconds[0]:.3f} s)")
    probe = (
        "import sys; from genkit.cli.commands import group; "
        "group.main(['models'], standalone_mode=False); print('torch' in sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout
    print(f"torch in sys.modules after genkit models: {loaded.split()[-1]}")


if __name__ == "__main__":
    main()
