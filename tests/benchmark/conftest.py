from __future__ import annotations

import multiprocessing

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def forked(monkeypatch):
    """Jobs see what a test has patched; each has one thread, as OpenMP does not survive a fork."""
    import torch._dynamo  # noqa: F401 - else each job imports it with its first optimiser, for seconds

    monkeypatch.setattr("genkit.benchmark.local.CONTEXT", multiprocessing.get_context("fork"))
    monkeypatch.setattr("genkit.benchmark.local.os.cpu_count", lambda: 1)
