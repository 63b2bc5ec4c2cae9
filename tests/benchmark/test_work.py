"""One job, wherever it is done: its run, its record and its outcome once, whatever ends its process."""

from __future__ import annotations

import dataclasses
import errno
import os
import pickle
import signal
import socket
import subprocess
import sys

import pytest
import toy_trackers
from unlocked import without_locks

from genkit.benchmark import Plan, outcomes
from genkit.benchmark.jobs import jobs
from genkit.benchmark.plan import Entry
from genkit.benchmark.work import ENDED, STOPPED, TAKEN, BenchFolder, Work
from genkit.errors import GenkitError
from genkit.files.leases import LeaseLock, use_leases
from genkit.files.locks import ProcessLock, holding, lock_at
from genkit.registry.discovery import registry
from genkit.results import store
from genkit.results.jobs import Outcome, lock_file, outcome
from genkit.training.runs import find_runs


@pytest.fixture
def work(digits, tmp_path):
    plan = Plan("digits", [Entry("vae")], images=640, metrics=["mse"], count=50)
    (job,) = jobs(plan, digits)
    made = Work(plan, job, BenchFolder(tmp_path / "board"), "cpu")
    made.bench.jobs.mkdir(parents=True)
    return made


def counted(work):
    """How many runs, records and outcomes there are of the job."""
    found = [record for record in store.read(work.bench.path).records if record.training]
    return len(list(find_runs(work.bench.runs))), len(found), len(outcomes(work.bench.path))


def test_a_job_that_is_done_is_not_done_again_nor_one_that_another_process_has(work):
    with holding(lock_at(lock_file(work.bench.jobs, work.job))):
        assert work() == TAKEN
    assert counted(work) == (0, 0, 0)
    assert [pickle.loads(pickle.dumps(work))(), work()] == [ENDED, ENDED]
    assert counted(work) == (1, 1, 1)
    assert not [path for path in work.bench.jobs.iterdir() if path.suffix == ".record"]


def test_a_process_that_dies_between_record_and_outcome_leaves_no_second_record(work, monkeypatch):
    def killed(self, folder):
        raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(Outcome, "publish", killed)
        work()
    assert counted(work) == (1, 1, 0)
    (record,) = (work.bench.path / "records").iterdir()
    assert work() == ENDED
    assert counted(work) == (1, 1, 1)
    assert outcome(work.bench.jobs, work.job).record == record.name


def test_a_job_that_fails_after_its_record_has_no_second_one_when_it_is_tried_again(work, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("no luck")

    work = dataclasses.replace(work, plan=dataclasses.replace(work.plan, milestones=1))
    with monkeypatch.context() as patched:
        patched.setattr("genkit.evaluation.milestones.measure_milestones", broken)
        assert work() == ENDED
    assert outcome(work.bench.jobs, work.job).reason == "RuntimeError: no luck"
    (work.bench.jobs / f"{work.job.id}.json").unlink()
    assert work() == ENDED
    found = [record for record in store.read(work.bench.path).records if record.training]
    assert [record.training.finished for record in found].count(True) == 1
    assert outcome(work.bench.jobs, work.job).state == "done"


def test_a_job_for_which_there_is_no_lock_says_where_and_why(work, monkeypatch):
    def no_lock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(ProcessLock, "acquire", no_lock)
    with pytest.raises(GenkitError, match=f"jobs gives {socket.gethostname()} no lock, No locks available"):
        work()
    assert counted(work) == (0, 0, 0)


def test_trackers_follow_the_run_of_a_job(work, monkeypatch):
    monkeypatch.setattr(registry(), "plugins", [*registry().plugins, toy_trackers.plugin()])
    assert dataclasses.replace(work, track=("notes",))() == ENDED
    (run,) = find_runs(work.bench.runs)
    lines = (run.path / "trackers" / "notes" / "notes").read_text().splitlines()
    assert lines[0] == "start 0" and "record 640" in lines


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR2"])
def test_a_signal_of_a_cluster_stops_a_job_that_then_goes_on(work, monkeypatch, name):
    from genkit.training.loop import Loop

    before, number, steps = signal.getsignal(getattr(signal, name)), getattr(signal, name), []
    step = Loop._step

    def stopping(self, *arguments):
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), number)
        return step(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Loop, "_step", stopping)
        assert work() == STOPPED
    assert signal.getsignal(number) == before
    (run,) = find_runs(work.bench.runs)
    assert run.status.state == "interrupted"
    assert counted(work) == (1, 0, 0)
    assert work() == ENDED
    assert counted(work) == (1, 1, 1)


def test_a_folder_that_a_machine_does_not_see_is_named_with_the_machine(work):
    work.bench.jobs.rmdir()
    with pytest.raises(GenkitError, match=f"is not there on {socket.gethostname()}"):
        work()


@pytest.mark.parametrize("flock", ["for show", "missing"])
def test_a_machine_on_which_locks_do_not_hold_does_nothing_without_leases(work, monkeypatch, flock):
    without_locks(monkeypatch, flock)
    with pytest.raises(GenkitError, match="make the empty file .*genkit-leases, and begin it again"):
        work()
    assert counted(work) == (0, 0, 0)


@pytest.mark.parametrize("flock", ["for show", "missing"])
def test_a_job_with_a_lease_is_done_once(work, monkeypatch, flock):
    without_locks(monkeypatch, flock)
    use_leases(work.bench.path, "for a test")
    with holding(lock_at(lock_file(work.bench.jobs, work.job))):
        assert work() == TAKEN
    assert work() == ENDED
    assert counted(work) == (1, 1, 1)


def test_who_has_lost_the_lease_publishes_nothing(work, monkeypatch):
    use_leases(work.bench.path, "for a test")
    monkeypatch.setattr(LeaseLock, "lost", property(lambda self: True, lambda self, value: None), raising=False)
    assert work() == TAKEN
    assert counted(work) == (1, 0, 0)


SEVERAL = """
import pickle, sys
if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        work = pickle.load(file)
    print(work(), work())
"""


@pytest.mark.slow
def test_several_processes_train_one_run_and_the_first_one_measures_it(work, tmp_path):
    (tmp_path / "work.pkl").write_bytes(pickle.dumps(work))
    (tmp_path / "several.py").write_text(SEVERAL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "several.py", "work.pkl"],
            cwd=tmp_path,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=120) for process in processes]
    assert [out.split() for out, _ in said] == [[ENDED, ENDED], [ENDED, ENDED]], said
    assert counted(work) == (1, 1, 1)
    (run,) = find_runs(work.bench.runs)
    assert run.config.processes == 2
