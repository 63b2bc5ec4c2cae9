from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from genkit.cli import main
from genkit.plugin import hookimpl
from genkit.registry.discovery import registry
from genkit.training import checkpoint
from genkit.training.api import resume
from genkit.training.runs import find_runs
from genkit.training.signals import StopSignal


class Interrupter:
    """An observer that sends its own process a signal once 100 images are logged."""

    def __init__(self, number):
        self.number = number

    @hookimpl
    def genkit_train_event(self, event):
        if event["kind"] == "log" and event["images"] >= 100:
            os.kill(os.getpid(), self.number)


def forked_command(number, errors, *arguments):
    """Run ``genkit`` in a forked process that signals itself; return its exit status, with stderr in a file."""
    child = os.fork()
    if child == 0:
        try:
            os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
            os.dup2(2, 1)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            registry().manager.register(Interrupter(number))
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in what it runs beside it
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and nohup this
            sys.argv = ["genkit", *arguments]
            main()
        except SystemExit as stopped:
            sys.stderr.flush()
            os._exit(stopped.code)
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2])
def test_the_first_signal_finishes_the_step_saves_and_says_how_to_go_on(number, toy_models, digits, tmp_path):
    root = tmp_path / "runs"
    code = forked_command(
        number, tmp_path / "stderr", "train", "--model", "toy-gan", "--device", "cpu", "--runs", str(root)
    )
    (run,) = find_runs(root)
    said = (tmp_path / "stderr").read_text().splitlines()
    assert code == 130, said
    assert said[-1] == f"stopped after 128 images; resume with: genkit train --resume {run.path}"
    assert run.status.state == "interrupted"
    assert checkpoint.load(run.newest_checkpoint())[1]["drawn"] == 128
    assert resume(run, dataset=digits).finished


def test_a_signal_that_the_parent_had_ignored_stays_ignored(run_toy):
    def interrupt(event):
        if event["kind"] == "log":
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run_toy(images=64, on_event=interrupt).finished
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_signal_than_ctrl_c_changes_nothing_the_second_time():
    before = signal.getsignal(signal.SIGTERM)
    stop = StopSignal()
    with stop.listening():
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.received
    assert signal.getsignal(signal.SIGTERM) == before


def test_two_ctrl_c_at_once_count_as_one_where_a_launcher_repeats_them():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        stop = StopSignal(patience=3600.0)
        with stop.listening():
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)
            assert stop.received
    finally:
        signal.signal(signal.SIGINT, before)


def test_sigusr2_stays_with_whoever_handles_it():
    seen = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: seen.append(number))
    try:
        stop = StopSignal()
        with stop.listening():
            os.kill(os.getpid(), signal.SIGUSR2)
        assert (seen, stop.received) == ([signal.SIGUSR2], False)
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_second_signal_stops_at_once():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        stop = StopSignal()
        with stop.listening():
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.received
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_listens_to_nothing():
    before = signal.getsignal(signal.SIGINT)
    inside = []

    def listen():
        with StopSignal().listening():
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert inside == [before]
