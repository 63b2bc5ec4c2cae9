"""Runs of the toy models: what several tests of training need."""

from __future__ import annotations

import re
from pathlib import Path

import torch

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


def ended(run):
    """All that training made of a run, without what a clock moves."""
    tensors, meta = checkpoint.load(run.newest_checkpoint())
    lines = [re.sub(rb'"seconds": [^,}]+', b"", line) for line in (run.path / "log.jsonl").read_bytes().splitlines()]
    for moving in ("seconds", "log_offset"):
        meta.pop(moving)
    return tensors, meta, lines, (run.path / "samples.png").read_bytes()


def same(one, other):
    """Whether two runs ended bit-identical."""
    (tensors, *rest), (others, *others_rest) = one, other
    return (
        rest == others_rest
        and tensors.keys() == others.keys()
        and all(map(same_bits, tensors.values(), others.values()))
    )


def same_bits(one, other):
    return one.dtype == other.dtype and torch.equal(one, other)
