"""Fixtures of the trackers' tests; what needs a tracker's library is skipped where that is not installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "tests")]


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No server, no account and no network."""
    for name in [name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("GENKIT_CACHE", str(tmp_path / "cache"))
