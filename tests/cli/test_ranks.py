"""Commands in several processes that torchrun launches."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import click
import pytest
from forks import free_port

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
import os, pathlib, signal
from genkit.cli import main
from genkit.training import distributed

killed = pathlib.Path("killed")
if not killed.exists():
    with distributed.joined():
        distributed.barrier()
        if distributed.rank() == 1:
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        distributed.barrier()
main()
"""


@pytest.mark.slow
def test_torchrun_on_two_machines_trains_one_run_of_which_the_first_process_speaks_also_after_a_restart(
    tmp_path, genkit
):
    """Each machine's torchrun counts restarts for itself: after this one the one is at 1, the other still at 0."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--max-restarts=3"]
    launch += [f"--rdzv-endpoint=127.0.0.1:{free_port()}", "--rdzv-backend=c10d", "--no-python", "--"]
    train = ["train", "--model", "gan", "--images", "1280", "--at", "runs/digits/gan/mine", "--device", "cpu"]
    machines = [
        subprocess.Popen(
            [*launch, sys.executable, "-c", KILLED_ONCE, *train],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [machine.communicate() for machine in machines]
    out, err = ("".join(each) for each in zip(*said, strict=True))
    assert (*(machine.returncode for machine in machines), out) == (0, 0, "runs/digits/gan/mine\n"), err[-3000:]
    assert (tmp_path / "killed").exists()
    assert err.count("digits: ") == err.count("sample grid") == 1
    (run,) = find_runs(tmp_path / "runs")
    assert (run.config.processes, run.finished) == (2, True)
    with contextlib.chdir(tmp_path):
        assert "finished already" in genkit(*train).err
