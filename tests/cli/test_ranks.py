"""Commands in several processes that torchrun launches."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import click
import pytest

from genkit.cli.help import Command
from genkit.cli.output import echo
from genkit.cli.ranks import first_speaks
from genkit.errors import Interrupted, TrainingError
from genkit.training.distributed import PeerLost
from genkit.training.runs import find_runs


@pytest.fixture
def ended(monkeypatch, capsys):
    """Run a command that prints and raises as one of two processes; return its exit code or error, and what it said."""

    def go(rank, error):
        for name, value in (("WORLD_SIZE", "2"), ("RANK", str(rank)), ("LOCAL_RANK", str(rank))):
            monkeypatch.setenv(name, value)

        @click.command(cls=Command)
        def speaking():
            with first_speaks():
                echo("a result")
                echo("a message", err=True)
                if error is not None:
                    raise error

        try:
            code = speaking.main([], standalone_mode=False)
        except Exception as raised:
            code = raised
        said = capsys.readouterr()
        return code, said.out, said.err

    return go


def test_the_first_process_alone_prints(ended):
    assert ended(0, None) == (None, "a result\n", "a message\n")
    assert ended(1, None) == (None, "", "")


def test_another_process_tells_of_its_own_failures_alone(ended):
    own = TrainingError("the loss is nan")
    assert ended(1, own) == (own, "", "")  # which is printed where all errors are
    assert ended(1, PeerLost("another process has ended")) == (1, "", "")
    assert ended(1, Interrupted("stopped after 128 images")) == (130, "", "")
    assert ended(1, KeyboardInterrupt()) == (130, "", "")
    lost = PeerLost("another process has ended")
    assert ended(0, lost) == (lost, "a result\n", "a message\n")


@pytest.mark.parametrize("command", [("train", "--nope"), ("train", "--batch", "0"), ("eval", "--gpu", "1")])
def test_the_first_process_alone_says_what_is_wrong_with_the_flags_that_all_were_given(genkit, monkeypatch, command):
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "0"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    first = genkit(*command)
    assert (first.code, command[1] in first.err) == (2, True)
    monkeypatch.setenv("RANK", "1")
    assert genkit(*command) == (2, "", "")


KILLED_ONCE = """
import os, signal
from genkit.cli import main
from genkit.training import distributed

if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    with distributed.joined():
        distributed.barrier()
        if distributed.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        distributed.barrier()
main()
"""


@pytest.mark.slow
def test_torchrun_trains_one_run_of_which_the_first_process_speaks_also_after_a_restart(tmp_path, genkit):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    train = ["train", "--model", "gan", "--images", "1280", "--at", "runs/digits/gan/mine", "--device", "cpu"]
    done = subprocess.run(
        [*launch, "--no-python", "--", sys.executable, "-c", KILLED_ONCE, *train],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "runs/digits/gan/mine\n"), done.stderr[-3000:]
    assert done.stderr.count("digits: ") == done.stderr.count("sample grid") == 1
    (run,) = find_runs(tmp_path / "runs")
    assert (run.config.processes, run.finished) == (2, True)
    with contextlib.chdir(tmp_path):
        assert "finished already" in genkit(*train).err
