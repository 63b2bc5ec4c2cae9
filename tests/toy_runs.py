"""Runs of the toy models: what several tests of training need."""

from __future__ import annotations

from pathlib import Path

from genkit.training import checkpoint
from genkit.training.runs import find_runs
from genkit.training.settings import Settings

EVERY_STEP = Settings(checkpoint_seconds=0.0, keep=3)


def only_run(tmp_path):
    (run,) = find_runs(tmp_path / "runs")
    return run


def full_after(monkeypatch, saves):
    """A disk that is full after a number of checkpoints."""
    save_file = checkpoint.save_file
    count = 0

    def full(tensors, path, metadata):
        nonlocal count
        count += 1
        if count > saves:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device", path)
        save_file(tensors, path, metadata)

    monkeypatch.setattr(checkpoint, "save_file", full)
