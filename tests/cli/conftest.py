from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from genkit.cli import main


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
