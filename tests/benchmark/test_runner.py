"""Tests runner, jobs and progress of genkit.benchmark; one job alone is in test_work.py."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from unlocked import without_locks

from genkit.benchmark import Plan, outcomes, run_jobs
from genkit.benchmark.engine import Engine, Lost
from genkit.benchmark.jobs import jobs
from genkit.benchmark.plan import Entry
from genkit.benchmark.progress import Progress
from genkit.benchmark.work import ENDED, BenchFolder
from genkit.cli.messages import show_messages
from genkit.errors import GenkitError, Interrupted, MissingError, PluginError, UnknownName, UsageError
from genkit.files.leases import MARK, LeaseLock
from genkit.files.locks import ProcessLock, holding, lock_at
from genkit.registry.discovery import Plugin, registry
from genkit.registry.specs import EngineSpec
from genkit.results import store
from genkit.results.jobs import Outcome, lock_file, outcome
from genkit.training.api import train
from genkit.training.runs import find_runs

LONG = 1_280_000
"""Images of a training that a test stops: 20,000 steps, with a line of the log every 100."""


def plan_of(*names, images=640, **more):
    entries = [Entry(name) for name in names]
    return Plan("digits", entries, images=images, metrics=["mse"], count=50, **more)


def states(folder):
    return sorted((each.job.model, each.job.seed, each.state) for each in outcomes(folder))


def test_all_jobs_are_trained_and_measured_once(digits, tmp_path):
    plan = plan_of("ppca", "vae", seeds=[0, 1])
    todo, told = list(jobs(plan, digits)), []
    for _ in range(2):
        run_jobs(plan, todo, tmp_path, device="cpu", workers=2, on_job=lambda job, ended: told.append(ended.state))
    assert told == ["done"] * 8
    assert len(list(find_runs(BenchFolder(tmp_path).runs))) == 4
    models = [record for record in store.read(tmp_path).records if record.training is not None]
    assert all("samples.png" in store.exhibits(tmp_path, record.id) for record in models)
    assert sorted((each.subject.name, each.training.seed) for each in models) == [
        ("ppca", 0),
        ("ppca", 1),
        ("vae", 0),
        ("vae", 1),
    ]


def test_milestones_are_measured_after_the_last_checkpoint_whose_record_is_the_jobs(digits, tmp_path):
    plan = plan_of("vae", milestones=1)
    (job,) = jobs(plan, digits)
    run_jobs(plan, [job], tmp_path, device="cpu")
    found = [record for record in store.read(tmp_path).records if record.training]
    assert [record.training.finished for record in found] == [True, False]
    assert outcome(BenchFolder(tmp_path).jobs, job).record.endswith(f"-{found[0].id}.json")


def test_a_run_that_was_trained_without_milestones_is_told_of_and_measured(digits, tmp_path, forked, capfd):
    train("vae", digits, images=640, root=BenchFolder(tmp_path).runs, device="cpu")
    plan = plan_of("vae", milestones=1)
    run_jobs(plan, list(jobs(plan, digits)), tmp_path, device="cpu", prepare=show_messages)
    assert states(tmp_path) == [("vae", 0, "done")]
    assert "genkit: run " in (said := capfd.readouterr().err)
    assert "has no milestones: genkit train --milestones keeps them" in said
    assert len([record for record in store.read(tmp_path).records if record.training]) == 1


def broken(*arguments, **named):
    raise RuntimeError("no\nluck")


def test_a_job_that_fails_is_a_row_and_stops_no_other_until_it_is_tried_again(digits, tmp_path, monkeypatch, forked):
    plan = plan_of("vae", "ppca")
    todo = list(jobs(plan, digits))
    with monkeypatch.context() as patched:
        patched.setattr("genkit_vaes.vae.DenseVAE.loss", broken)
        run_jobs(plan, todo, tmp_path, device="cpu")
    assert states(tmp_path) == [("ppca", 0, "done"), ("vae", 0, "failed")]
    assert outcome(BenchFolder(tmp_path).jobs, todo[0]).reason == "RuntimeError: no luck"
    run_jobs(plan, todo, tmp_path, device="cpu")
    assert states(tmp_path)[1] == ("vae", 0, "failed")
    run_jobs(plan, todo, tmp_path, device="cpu", retry=True)
    assert states(tmp_path)[1] == ("vae", 0, "done")


def test_a_killed_process_is_a_row_too(digits, tmp_path, monkeypatch, forked):
    def killed(*arguments, **named):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr("genkit_vaes.vae.DenseVAE.loss", killed)
    plan = plan_of("vae", "ppca")
    run_jobs(plan, list(jobs(plan, digits)), tmp_path, device="cpu")
    assert states(tmp_path) == [("ppca", 0, "done"), ("vae", 0, "failed")]
    assert "ended with code -9" in outcomes(tmp_path)[0].reason + outcomes(tmp_path)[1].reason


def leaving(*arguments, **named):
    os._exit(130)


def interrupting(*arguments, **named):
    raise KeyboardInterrupt


def stopping(*arguments, **named):
    raise Interrupted("stopped")


@pytest.mark.parametrize(
    ("loss", "reason"),
    [(leaving, "it calls os._exit"), (interrupting, "by KeyboardInterrupt"), (stopping, "by Interrupted: stopped")],
)
def test_a_model_that_ends_its_job_as_the_user_would_stops_no_board(
    digits, tmp_path, monkeypatch, forked, loss, reason
):
    monkeypatch.setattr("genkit_vaes.vae.DenseVAE.loss", loss)
    plan = plan_of("vae")
    run_jobs(plan, list(jobs(plan, digits)), tmp_path, device="cpu")
    (ended,) = outcomes(tmp_path)
    assert ended.state == "failed" and reason in ended.reason


def test_a_run_of_a_dead_runner_is_resumed(digits, tmp_path):
    plan = plan_of("vae", images=1280)
    (job,) = jobs(plan, digits)

    def stop(event):
        if event["kind"] == "checkpoint":
            raise KeyboardInterrupt

    from genkit.training.settings import Settings

    with pytest.raises(KeyboardInterrupt):
        train(
            "vae",
            digits,
            images=1280,
            root=BenchFolder(tmp_path).runs,
            device="cpu",
            settings=Settings(checkpoint_seconds=0.0),
            on_event=stop,
        )
    lock_file(BenchFolder(tmp_path).jobs, job).parent.mkdir(parents=True)
    lock_file(BenchFolder(tmp_path).jobs, job).touch()  # as a dead process leaves it: the system holds no lock on it
    run_jobs(plan, [job], tmp_path, device="cpu")
    assert states(tmp_path) == [("vae", 0, "done")]
    (only,) = find_runs(BenchFolder(tmp_path).runs)
    assert only.finished


def test_a_job_that_another_runner_has_is_waited_for_and_not_done_twice(digits, tmp_path):
    plan = plan_of("ppca")
    (job,) = jobs(plan, digits)
    bench = BenchFolder(tmp_path)
    bench.jobs.mkdir()
    lock = ProcessLock(lock_file(bench.jobs, job))
    assert lock.acquire()
    ended, told = Outcome(job, "done", record="elsewhere"), []

    def elsewhere():
        ended.publish(bench.jobs)
        lock.release()

    timer = threading.Timer(0.2, elsewhere)
    timer.start()
    run_jobs(plan, [job], tmp_path, device="cpu", on_job=lambda job, ended: told.append(ended))
    timer.join()
    assert told == [ended]
    assert not list(find_runs(bench.runs))


def test_ctrl_c_saves_and_the_same_call_resumes(digits, tmp_path, monkeypatch):
    plan = plan_of("vae", images=LONG)
    (job,) = jobs(plan, digits)
    bench = BenchFolder(tmp_path)

    def pressed(seconds, once=[]):  # noqa: B006
        for found in find_runs(bench.runs):
            if steps_of(found) and not once:
                once.append(1)
                raise KeyboardInterrupt
        threading.Event().wait(seconds)

    monkeypatch.setattr("genkit.benchmark.runner.time.sleep", pressed)
    with pytest.raises(Interrupted, match="the same command resumes"):
        run_jobs(plan, [job], tmp_path, device="cpu")
    (only,) = find_runs(bench.runs)
    assert only.status.state == "interrupted"
    assert only.checkpoints()
    assert outcome(bench.jobs, job) is None


RUNNER = f"""
from pathlib import Path
from genkit.benchmark import Plan, run_jobs
from genkit.benchmark.jobs import jobs
from genkit.benchmark.plan import Entry
from genkit.data import open_dataset

if __name__ == "__main__":
    plan = Plan("digits", [Entry("vae")], images={LONG}, metrics=["mse"], count=50)
    run_jobs(plan, list(jobs(plan, open_dataset("digits"))), Path("board"), device="cpu")
"""


def test_a_job_ends_with_its_runner_and_lets_go_of_its_lock(digits, tmp_path):
    (tmp_path / "runner.py").write_text(RUNNER)
    runner = subprocess.Popen([sys.executable, "runner.py"], cwd=tmp_path)
    bench = BenchFolder(tmp_path / "board")
    try:
        assert wait_for(lambda: any(steps_of(found) for found in find_runs(bench.runs)))
    finally:
        runner.kill()
        runner.wait()
    (only,) = find_runs(bench.runs)
    assert wait_for(lambda: only.status.state == "interrupted")
    (lock,) = bench.jobs.glob(".*.lock")
    assert wait_for(lambda: free(lock))
    assert only.checkpoints()


def steps_of(found):
    """Whether a run has logged steps: before the first one, nothing is there to be saved."""
    log = found.path / "log.jsonl"
    return log.is_file() and log.stat().st_size > 0


def wait_for(condition):
    """Whether something comes true within a minute."""
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.1)
    return True


def free(lock):
    try:
        with FileLock(lock, timeout=0):
            return True
    except Timeout:
        return False


def test_an_unreadable_outcome_is_ignored(digits, tmp_path):
    plan = plan_of("ppca")
    (job,) = jobs(plan, digits)
    bench = BenchFolder(tmp_path)
    bench.jobs.mkdir()
    (bench.jobs / f"{job.id}.json").write_text("{")
    assert outcome(bench.jobs, job) is None
    run_jobs(plan, [job], tmp_path, device="cpu")
    assert states(tmp_path) == [("ppca", 0, "done")]


def test_a_folder_that_can_not_be_made_is_named(digits, tmp_path):
    (tmp_path / "file").write_text("")
    plan = plan_of("ppca")
    with pytest.raises(GenkitError, match="the board can't be kept in .*file"):
        run_jobs(plan, list(jobs(plan, digits)), tmp_path / "file", device="cpu")


class Held(Engine):
    """An engine that keeps its tasks until a test runs them."""

    pause = 0.0

    def __init__(self, request):
        self.request, self.tasks, self.cancelled = request, [], []
        self.lasting = bool(request.options.get("lasting"))

    def submit(self, name, task):
        self.tasks.append(task)
        return Kept(self, task)

    def find(self, name):
        finds = self.request.options.get("finds")
        return Kept(self, finds) if finds else None


class Kept:
    log = Path("the.log")

    def __init__(self, engine, task):
        self.engine, self.task = engine, task

    def done(self):
        return not self.engine.request.options.get("waits")

    def result(self):
        if self.engine.request.options.get("dies"):
            raise Lost("it was too large")
        return self.task()

    def cancel(self):
        self.engine.cancelled.append(self.task)


@pytest.fixture
def held(monkeypatch):
    """Offer the engine ``held``, and give the engines of that name that were made."""
    made = []
    plugin = Plugin("held", "a-plugin", "1", {EngineSpec: [EngineSpec("held", "a_module:Held")]})
    monkeypatch.setattr(registry(), "plugins", [*registry().plugins, plugin])

    def load(self):
        return lambda request: made.append(Held(request)) or made[-1]

    monkeypatch.setattr(EngineSpec, "load", load)
    return made


def test_an_engine_is_given_all_jobs_at_once_with_an_absolute_folder(digits, held):
    plan = plan_of("ppca", seeds=[0, 1])
    told = []
    run_jobs(
        plan,
        list(jobs(plan, digits)),
        Path("board"),
        device="cpu",
        engine="held",
        engine_options={"a": 1},
        on_job=lambda job, ended: told.append(ended.state),
    )
    (engine,) = held
    assert told == ["done", "done"]
    assert [task.bench.path for task in engine.tasks] == [Path("board").absolute()] * 2
    assert engine.request.folder == Path("board/engines/held").absolute()
    assert (engine.request.workers, engine.request.options) == (None, {"a": 1})


def test_a_job_that_was_submitted_twice_is_done_once(digits, held, tmp_path):
    plan = plan_of("ppca")
    run_jobs(plan, 2 * list(jobs(plan, digits)), tmp_path, device="cpu", engine="held")
    assert len(held[0].tasks) == 2 and len(list(find_runs(tmp_path / "runs"))) == 1
    assert len([record for record in store.read(tmp_path).records if record.training]) == 1


def test_a_task_that_an_engine_loses_is_a_row_with_the_reason_and_the_log(digits, held, tmp_path, caplog):
    plan = plan_of("ppca")
    with caplog.at_level("INFO", "genkit.benchmark"):
        run_jobs(plan, list(jobs(plan, digits)), tmp_path, engine="held", engine_options={"dies": True})
    assert [(each.state, each.reason) for each in outcomes(tmp_path)] == [("failed", "it was too large")]
    assert "the log of ppca seed 0 is the.log" in caplog.text


@pytest.mark.parametrize(
    ("lasting", "detach", "answer", "cancelled", "said"),
    [
        (True, False, True, 2, "the same command resumes the board"),
        (True, False, False, 0, "jobs left with held: 2"),
        (True, True, None, 0, "jobs left with held: 2"),
        (False, False, None, 2, "the same command resumes the board"),
    ],
)
def test_ctrl_c_asks_whether_to_cancel_what_is_queued(
    digits, held, tmp_path, monkeypatch, lasting, detach, answer, cancelled, said
):
    plan, asked = plan_of("ppca", seeds=[0, 1]), []

    def pressed(seconds):
        raise KeyboardInterrupt

    def cancel(count):
        asked.append(count)
        return answer

    monkeypatch.setattr("genkit.benchmark.runner.time.sleep", pressed)
    options = {"waits": True, "lasting": lasting}
    with pytest.raises(Interrupted, match=said):
        run_jobs(
            plan,
            list(jobs(plan, digits)),
            tmp_path,
            engine="held",
            engine_options=options,
            cancel=cancel,
            detach=detach,
        )
    assert len(held[0].cancelled) == cancelled
    assert asked == ([2] if answer is not None else [])


def test_jobs_that_end_with_the_command_can_not_be_left(digits, tmp_path, monkeypatch):
    plan = plan_of("ppca")
    made = []
    monkeypatch.setattr("genkit.benchmark.runner.make_engine", lambda *given: made.append(given))
    with pytest.raises(UsageError, match="leave --detach out"):
        run_jobs(plan, list(jobs(plan, digits)), tmp_path, detach=True)
    assert not made  # to start an engine may take long


def test_a_line_says_which_jobs_run_and_how_far_they_are(digits, tmp_path, caplog):
    plan, bench = plan_of("vae", seeds=[0, 1]), BenchFolder(tmp_path)
    one, other = jobs(plan, digits)
    train("vae", digits, images=640, root=bench.runs, device="cpu")
    bench.jobs.mkdir()
    progress = Progress(bench, "held")
    with caplog.at_level("INFO", "genkit.benchmark"), holding(ProcessLock(lock_file(bench.jobs, one))):
        progress.show([one, other], [])
        assert "running" not in caplog.text
        progress._next = 0
        progress.show([one, other], [one])
    assert "1 running (vae seed 0 100%), 1 waiting for held" in caplog.text


@pytest.mark.parametrize("flock", ["for show", "missing"])
def test_where_locks_do_not_hold_leases_do(digits, tmp_path, forked, monkeypatch, caplog, flock):
    without_locks(monkeypatch, flock)
    plan, bench = plan_of("ppca"), BenchFolder(tmp_path)
    (job,) = todo = list(jobs(plan, digits))
    run_jobs(plan, 2 * todo, tmp_path, device="cpu", workers=2)
    assert states(tmp_path) == [("ppca", 0, "done")]
    assert len(list(find_runs(bench.runs))) == 1
    assert len([record for record in store.read(tmp_path).records if record.training]) == 1
    assert "locks don't hold in" in caplog.text and "leases are used" in caplog.text
    assert isinstance(lock_at(lock_file(bench.jobs, job)), LeaseLock)
    assert not list(bench.jobs.glob("*.lease"))


def no_lock(*_):
    raise OSError(errno.ENOLCK, "No locks available")


def test_a_file_system_that_gives_no_locks_any_more_ends_the_board_in_one_line(digits, held, tmp_path, monkeypatch):
    plan = plan_of("ppca")
    monkeypatch.setattr(ProcessLock, "acquire", no_lock)
    with pytest.raises(GenkitError, match="jobs gives .* no lock, No locks available: once it does, the same command"):
        run_jobs(plan, list(jobs(plan, digits)), tmp_path, engine="held", engine_options={"dies": True})
    assert outcomes(tmp_path) == []


@pytest.mark.parametrize("flock", ["for show", "missing"])
def test_a_board_that_was_begun_with_locks_does_not_take_leases_unasked(digits, held, tmp_path, monkeypatch, flock):
    plan, bench = plan_of("ppca"), BenchFolder(tmp_path)
    (job,) = todo = list(jobs(plan, digits))
    bench.jobs.mkdir()
    with holding(ProcessLock(lock_file(bench.jobs, job))):
        pass  # which leaves its file
    without_locks(monkeypatch, flock)
    with pytest.raises(GenkitError, match="were begun with locks: .* make the empty file .*leases, and begin it again"):
        run_jobs(plan, todo, tmp_path, device="cpu", engine="held")
    assert not held[0].tasks
    (tmp_path / MARK).touch()
    run_jobs(plan, todo, tmp_path, device="cpu", engine="held")
    assert states(tmp_path) == [("ppca", 0, "done")]


def test_a_board_that_is_done_needs_no_folder_that_can_be_written(digits, held, tmp_path, monkeypatch):
    plan, told = plan_of("ppca"), []
    (job,) = todo = list(jobs(plan, digits))
    Outcome(job, "failed", reason="no luck").publish(BenchFolder(tmp_path).jobs)

    def read_only(folder):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("genkit.benchmark.runner.why_no_locks", read_only)
    run_jobs(plan, todo, tmp_path, engine="held", on_job=lambda job, ended: told.append(ended.state))
    assert told == ["failed"]
    with pytest.raises(GenkitError, match="the board can't be kept in .*: Read-only file system"):
        run_jobs(plan, todo, tmp_path, engine="held", retry=True)


def test_what_is_asked_for_wrongly_forgets_no_failure(digits, tmp_path):
    plan = plan_of("ppca")
    (job,) = todo = list(jobs(plan, digits))
    Outcome(job, "failed", reason="no luck").publish(BenchFolder(tmp_path).jobs)
    for wrong, more in ((UnknownName, {"engine": "slrum"}), (UsageError, {"detach": True})):
        with pytest.raises(wrong):
            run_jobs(plan, todo, tmp_path, retry=True, **more)
    assert states(tmp_path) == [("ppca", 0, "failed")]


def test_an_outcome_that_is_not_seen_here_yet_is_waited_for(digits, held, tmp_path, monkeypatch):
    plan = plan_of("ppca")
    monkeypatch.setattr("genkit.benchmark.runner.AGAIN", 0.0)
    said = [ENDED]  # by a machine whose files come late; what is submitted again does the job
    result = Kept.result
    monkeypatch.setattr(Kept, "result", lambda self: said.pop() if said else result(self))
    run_jobs(plan, list(jobs(plan, digits)), tmp_path, device="cpu", engine="held")
    assert states(tmp_path) == [("ppca", 0, "done")]


def test_a_job_that_an_earlier_command_submitted_and_that_runs_is_found(digits, held, tmp_path):
    plan, bench, told = plan_of("ppca"), BenchFolder(tmp_path), []
    (job,) = todo = list(jobs(plan, digits))
    bench.jobs.mkdir()
    lock = ProcessLock(lock_file(bench.jobs, job))
    assert lock.acquire()

    def ends():
        lock.release()
        Outcome(job, "failed", reason="found").publish(bench.jobs)
        return ENDED

    run_jobs(
        plan,
        todo,
        tmp_path,
        engine="held",
        engine_options={"finds": ends},
        on_job=lambda job, ended: told.append(ended.reason),
    )
    assert told == ["found"] and not held[0].tasks


def test_ctrl_c_asks_nothing_while_nothing_is_queued(digits, held, tmp_path, monkeypatch):
    plan, bench = plan_of("ppca"), BenchFolder(tmp_path)
    (job,) = todo = list(jobs(plan, digits))
    bench.jobs.mkdir()

    def pressed(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("genkit.benchmark.runner.time.sleep", pressed)
    with holding(ProcessLock(lock_file(bench.jobs, job))), pytest.raises(Interrupted, match="the same command resumes"):
        run_jobs(plan, todo, tmp_path, engine="held", engine_options={"lasting": True}, cancel=lambda count: 1 / count)


def test_an_engine_that_breaks_is_named_in_one_line(digits, held, tmp_path, monkeypatch):
    def broken(self):
        raise RuntimeError("no\nluck")

    plan = plan_of("ppca")
    monkeypatch.setattr(Kept, "done", broken)
    with pytest.raises(PluginError, match="engine 'held' fails: RuntimeError: no luck, at .*test_runner.py"):
        run_jobs(plan, list(jobs(plan, digits)), tmp_path, engine="held")


def test_a_board_below_torchrun_is_refused(digits, tmp_path, monkeypatch):
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "0"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="run genkit bench without torchrun"):
        run_jobs(plan_of("ppca"), [], tmp_path)


def test_a_tracker_that_can_not_be_used_is_said_before_anything_runs(tmp_path, monkeypatch):
    others = [plugin for plugin in registry().plugins if not plugin.name.startswith("tracker")]
    monkeypatch.setattr(registry(), "plugins", others)
    with pytest.raises(MissingError, match="no tracker is installed"):
        run_jobs(plan_of("ppca"), [], tmp_path / "board", track=["tensorboard"])
    assert not (tmp_path / "board").exists()
