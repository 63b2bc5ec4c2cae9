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
    """The environment of a job of submitit's local executor, which has one task."""
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "1")
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


def test_a_task_that_ends_is_what_it_returned(requeued):
    assert Unit(word("ended"), nothing)() == "ended"
    assert requeued == []


def test_in_the_process_of_the_command_a_task_that_is_stopped_ends_nothing(requeued, monkeypatch):
    monkeypatch.delenv("SUBMITIT_EXECUTOR")
    monkeypatch.setenv("SUBMITIT_DEBUG_JOB_ID", "1")
    assert Unit(stopped_by(signal.SIGUSR2), nothing)() == STOPPED
    assert requeued == []


def test_a_task_is_requeued_if_slurm_announced_the_end(requeued):
    with pytest.raises(SystemExit) as ended:
        Unit(stopped_by(signal.SIGUSR2), nothing)()
    assert requeued == [signal.SIGUSR2]
    assert ended.value.code == 0


def test_a_task_that_was_cancelled_is_not_requeued(requeued):
    with pytest.raises(SystemExit) as ended:
        Unit(stopped_by(signal.SIGTERM), nothing)()
    assert requeued == []
    assert ended.value.code == 130


def test_what_is_done_after_requeueing_is_the_same():
    again = pickle.loads(pickle.dumps(Unit(word("ended"), nothing).checkpoint()))
    assert again.result() == "ended"


def test_tasks_of_one_job_find_each_other_though_the_command_was_launched_with_others(monkeypatch):
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "7")  # as sbatch hands on what the command had
    monkeypatch.setenv("SUBMITIT_LOCAL_NTASKS", "2")
    monkeypatch.setenv("SUBMITIT_LOCAL_GLOBALID", "1")
    monkeypatch.setenv("SUBMITIT_LOCAL_LOCALID", "1")
    assert Unit(lambda: f"{os.environ['RANK']} of {os.environ['WORLD_SIZE']}", nothing)() == "1 of 2"
