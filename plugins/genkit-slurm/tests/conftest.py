"""Fixtures of genkit-slurm's tests: a folder of their own, jobs of a small board, and Slurm's commands as files."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COMMANDS = {
    "srun": "exit 0",
    "sbatch": 'cp "$1" {folder}/submitted.sh; echo "Submitted batch job 12"',
    "squeue": "cat {folder}/queue",
    "scancel": 'echo "$@" >> {folder}/cancelled',
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own, and has a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands that answer as Slurm's do: ``queue`` is what squeue prints, ``submitted.sh`` the script."""
    folder = tmp_path / "commands"
    folder.mkdir()
    (folder / "queue").touch()
    for name, text in COMMANDS.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text.format(folder=folder)}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.fixture
def board() -> Callable[..., Any]:
    """Make a plan of a dense VAE and its jobs: board(seeds, images)."""
    from genkit.benchmark import Plan
    from genkit.benchmark.jobs import jobs
    from genkit.benchmark.plan import Entry
    from genkit.data import open_dataset

    def make(seeds: list[int], images: int = 640) -> Any:
        plan = Plan("digits", [Entry("vae")], seeds=seeds, images=images, metrics=["mse"], count=50)
        return plan, list(jobs(plan, open_dataset("digits")))

    return make
