"""The tutorial from captions to a tuned model: its commands run as they are typed, with budgets of a few steps."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pages import DOCS, blocks, script
from PIL import Image

PAGE = DOCS / "tutorial" / "words-to-pictures.md"
SETTINGS = """
[train]
images = "320"
[tune]
images = "320"
[eval]
count = 100
"""
COMMANDS = f"""set -e
genkit() {{ {sys.executable} -c 'from genkit.cli import main; main()' "$@"; }}
python() {{ {sys.executable} "$@"; }}
"""


@pytest.mark.slow
def test_the_tutorials_commands_run_to_the_end(tmp_path):
    for name, text in blocks(PAGE).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "genkit.toml").write_text(SETTINGS)
    done = subprocess.run(["bash", "-c", COMMANDS + script(PAGE)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    asked, tuned = (Image.open(tmp_path / f"words-{name}.png") for name in ("asked", "tuned"))
    assert asked.size == tuned.size and asked.tobytes() != tuned.tobytes()
    runs = [json.loads(path.read_text()) for path in tmp_path.glob("runs/digits/vq-gpt/*/run.json")]
    assert sorted(bool(run.get("tuning")) for run in runs) == [False, True]
    assert "authpct" in done.stdout and "a zorp" in done.stdout
