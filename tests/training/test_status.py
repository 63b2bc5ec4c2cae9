"""A run is "running" while its process lives, and never after, however that ended."""

from __future__ import annotations

import os
import random
import signal

import pytest
from toy_runs import EVERY_STEP, only_run
from toys import ToyTrouble

from genkit.cli.process import stoppable
from genkit.errors import Interrupted, TrainingError
from genkit.files.locks import ProcessLock
from genkit.registry.fence import no_exit
from genkit.training.api import resume, train
from genkit.training.runs import find_runs
from genkit.training.settings import Settings
from genkit.training.status import ENDED, Status, read_status

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.mark.parametrize(
    ("written", "held", "state"),
    [
        ("running", True, "running"),
        ("running", False, "interrupted"),
        ("interrupted", True, "running"),
        ("failed", True, "running"),
        ("failed", False, "failed"),
        ("finished", True, "finished"),
        (None, True, "running"),
        (None, False, "interrupted"),
    ],
)
def test_running_is_what_the_lock_says(tmp_path, written, held, state):
    if written is not None:
        Status(written, 8, reason="before").write(tmp_path)
    holder, asked = ProcessLock(tmp_path / "lock"), ProcessLock(tmp_path / "lock")
    if held:
        assert holder.acquire()
    found = read_status(tmp_path, asked)
    holder.release()
    assert found.state == state
    assert found.images == (0 if written is None else 8)
    assert found.reason == {"interrupted": ENDED, "running": ""}.get(state, "before")


class Child:
    """A forked process that says when an observed training has come to its n-th event, and then waits to go on."""

    def __init__(self, work, moment):
        said, self._say = os.pipe()
        self._go, go = os.pipe()
        self.number = os.fork()
        if self.number == 0:
            events = 0

            def watch(event):
                nonlocal events
                events += event["kind"] != "progress"
                if events == moment:
                    os.write(self._say, b"x")
                    os.read(self._go, 1)

            try:
                work(watch)
            finally:
                os._exit(0)
        os.close(self._say)
        os.close(self._go)
        self._said, self._went = said, go
        os.read(said, 1)

    def let_go(self):
        os.write(self._went, b"x")

    def end(self, number):
        os.kill(self.number, number)
        self.wait()

    def wait(self):
        os.waitpid(self.number, 0)
        os.close(self._said)
        os.close(self._went)


@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_at_any_moment_never_stays_running_and_ends(toy_models, digits, tmp_path, seed):
    """Four kills each: of the first at a known event, of the next two somewhere after one."""
    moments, settings = random.Random(seed), Settings(checkpoint_seconds=0.0, keep=1)

    def first(watch):
        train("toy-gan", digits, root=tmp_path / "runs", device="cpu", settings=settings, on_event=watch)

    def again(watch):
        resume(only_run(tmp_path), dataset=digits, settings=settings, on_event=watch)

    for number in range(4):
        child = Child(again if number else first, moments.randrange(1, 6))
        assert only_run(tmp_path).status.state == "running"
        if number % 2:
            child.let_go()
        child.end(signal.SIGKILL)
        assert only_run(tmp_path).status.state in ("interrupted", "finished")
    run = resume(only_run(tmp_path), dataset=digits, settings=settings)
    assert run.status.state == "finished"
    assert not [path for path in run.path.rglob(".*") if path.suffix == ".part"]
    assert len(run.checkpoints()) == 1


def test_a_process_that_leaves_by_os_exit_leaves_an_interrupted_run(toy_models, digits, tmp_path):
    def work(watch):
        def leave(event):
            watch(event)
            os._exit(0)

        train("toy-gan", digits, root=tmp_path / "runs", device="cpu", settings=EVERY_STEP, on_event=leave)

    child = Child(work, 1)
    child.let_go()
    child.wait()
    status = only_run(tmp_path).status
    assert (status.state, status.reason) == ("interrupted", ENDED)


class Base(BaseException):
    pass


@pytest.mark.parametrize("error", [SystemExit(3), Base("of a plugin")])
def test_whatever_is_raised_fails_the_run_and_is_named(run_toy, tmp_path, error):
    def leave(event):
        if event["kind"] == "checkpoint":
            raise error

    name = f"{type(error).__name__}: {error}"
    with pytest.raises(TrainingError, match=f"toy-trouble ended the training by {name}; the last checkpoint, "):
        run_toy(on_event=leave)
    (run,) = find_runs(tmp_path / "runs")
    assert (run.status.state, run.status.reason) == ("failed", name)


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), KeyboardInterrupt(), Interrupted("stopped")])
def test_a_model_that_raises_what_stops_genkit_has_failed_and_was_not_stopped(run_toy, tmp_path, monkeypatch, error):
    def leave(*arguments):
        raise error

    monkeypatch.setattr(ToyTrouble, "after_step", leave)
    with stoppable(), pytest.raises(TrainingError, match=f"toy-trouble ended the training by {type(error).__name__}"):
        run_toy()
    (run,) = find_runs(tmp_path / "runs")
    assert run.status.state == "failed"


def test_a_model_that_would_end_the_process_is_named_with_the_line(run_toy, monkeypatch):
    monkeypatch.setattr(ToyTrouble, "after_step", lambda *arguments: os._exit(0))
    with no_exit(), pytest.raises(TrainingError, match=f"by Exit: it calls os._exit.*; look at {__file__}:"):
        run_toy()
