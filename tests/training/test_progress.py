from __future__ import annotations

import sys
import types

import pytest

from genkit.training.progress import Meter, notebook_display


@pytest.fixture
def notebook(monkeypatch):
    """IPython as in a notebook's kernel; returns what is shown."""
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data["text/plain"])

    ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    display.display = lambda data, raw, display_id: Handle()
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


def test_a_notebook_shows_a_bar(notebook, run_toy):
    run_toy(images=32)
    assert notebook[-1].startswith("█" * 32 + " 100%")


def test_several_processes_are_as_fast_as_all_together():
    def event(processes, images, seconds):
        return {"kind": "progress", "images": images, "seconds": seconds, "done": 0.0, "processes": processes}

    for processes, said in ((1, "500 img/s"), (4, "500 img/s in all, 125 a process")):
        meter = Meter()
        meter.describe(event(processes, 1000, 10.0))
        assert meter.describe(event(processes, 2000, 12.0)) == said


def test_outside_of_a_notebook_nothing_is_shown(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert notebook_display() is None


def test_a_terminal_of_ipython_is_no_notebook(notebook):
    sys.modules["IPython"].get_ipython = lambda: types.SimpleNamespace(kernel=None)
    assert notebook_display() is None
