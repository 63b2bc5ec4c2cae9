from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from click.shell_completion import ShellComplete
from PIL import Image

from genkit.cli import main
from genkit.cli.commands import group


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def genkit(capsys, monkeypatch, tmp_path):
    """Run a command line in an empty folder of its own and return its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GENKIT_RUNS", raising=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["genkit", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return Result(int(stopped.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def photos():
    """Write small grey images into a folder: photos(folder, count, brightest)."""

    def write(folder, count, high=255):
        Path(folder).mkdir(exist_ok=True)
        for index in range(count):
            pixels = np.random.default_rng(index).integers(0, high, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(f"{folder}/{index}.png")

    return write


@pytest.fixture
def completed():
    """Return what a shell offers after some words: completed(arguments, incomplete)."""

    def values(arguments, incomplete):
        found = ShellComplete(group, {}, "genkit", "_GENKIT_COMPLETE").get_completions(arguments, incomplete)
        return [item.value for item in found]

    return values
