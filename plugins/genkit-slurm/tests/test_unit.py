"""What a task does when Slurm is about to end it, and what of it is stored."""

from __future__ import annotations

import os
import pickle
import signal

import pytest
from engine_contract import word

pytest.importorskip("submitit", reason="uv sync --group integration installs submitit")
pytest.importorskip("genkit_slurm", reason="uv sync --group integration installs genkit-slurm")

from genkit_slurm import unit
from genkit_slurm.unit import Unit

from genkit.benchmark.engine import nothing
from genkit.benchmark.work import STOPPED


@pytest.fixture(autouse=True)
def job(monkeypatch):
    """The environment of a job of submitit's debug executor, which has one task."""
    monkeypatch.setenv("SUBMITIT_DEBUG_JOB_ID", "1")
    monkeypatch.setenv("SUBMITIT_FOLDER", "engines")
    monkeypatch.setattr(unit, "LATER", 0.01)


@pytest.fixture
def requeued():
    """The signals for which submitit's handler, which requeues, was called."""
    calls = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: calls.append(number))
    yield calls
    signal.signal(signal.SIGUSR2, before)


def stopped_by(number):
    """A task that a signal stops, while it handles that itself as training does."""

    def task():
        before = signal.signal(number, lambda *_: None)
        os.kill(os.getpid(), number)
        signal.signal(number, before)
        return STOPPED

    return task


def elsewhere(task):
    """A unit that another process made."""
    unit = Unit(task, nothing)
    unit._made_by = 0
    return unit


def test_a_task_that_ends_is_what_it_returned(requeued):
    assert elsewhere(word("ended"))() == "ended"
    assert requeued == []


def test_in_the_process_of_the_command_a_task_that_is_stopped_ends_nothing(requeued):
    assert Unit(stopped_by(signal.SIGUSR2), nothing)() == STOPPED
    assert requeued == []


def test_a_task_is_requeued_if_slurm_announced_the_end(requeued):
    with pytest.raises(SystemExit) as ended:
        elsewhere(stopped_by(signal.SIGUSR2))()
    assert requeued == [signal.SIGUSR2]
    assert ended.value.code == 0


def test_a_task_that_was_cancelled_is_not_requeued(requeued):
    with pytest.raises(SystemExit) as ended:
        elsewhere(stopped_by(signal.SIGTERM))()
    assert requeued == []
    assert ended.value.code == 130


def test_what_is_done_after_requeueing_is_the_same():
    again = pickle.loads(pickle.dumps(Unit(word("ended"), nothing).checkpoint()))
    assert again.result() == "ended"
