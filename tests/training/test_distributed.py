from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from forks import together
from torch import nn

from genkit.errors import UsageError
from genkit.training import checkpoint, distributed
from genkit.training.runs import find_runs

FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

SCRIPT = """
import json, os, sys
import toys, torch
from genkit.training.loop import Loop
from genkit.training.settings import Settings
from genkit.registry.discovery import registry
from genkit.training.api import train
import torch.distributed as dist

torch.set_num_threads(1)
registry().plugins.append(toys.plugin())
rank = os.environ["RANK"]
models = []
finish = Loop._finish
Loop._finish = lambda self: (models.append(self.model), finish(self))
for name in ("toy-gan", "toy-stages"):
    run = train(name, "digits", root=sys.argv[1], device="cpu", images=256)
    weights = {key: tensor.double().sum().item() for key, tensor in models[-1].state_dict().items()}
    document = {"run": str(run.path), "weights": weights}
    if name == "toy-stages":
        document["spread"] = models[-1].shift.spread.tolist()
    assert not dist.is_initialized()
    with open(os.path.join(sys.argv[1], f"{name}-{rank}.json"), "w") as file:
        json.dump(document, file)
"""


@pytest.fixture
def two(monkeypatch):
    """This process believes that it is one of two, the other having gradients of zero."""
    monkeypatch.setattr(distributed, "world", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor)


def test_a_single_process_changes_nothing():
    parameter = nn.Parameter(torch.ones(2))
    distributed.average_gradients([parameter])
    assert parameter.grad is None
    assert (distributed.world(), distributed.rank()) == (1, 0)
    assert distributed.agree("x") == "x"
    assert distributed.any_of(True)
    assert not distributed.any_of(False)
    assert distributed.in_turns(lambda: 3) == 3
    with distributed.joined():
        assert not torch.distributed.is_initialized()


def test_gradients_are_averaged_and_missing_ones_count_as_zero(two):
    one, other = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    one.grad = torch.tensor([2.0, 4.0])
    distributed.average_gradients([one, other])
    assert one.grad.tolist() == [1.0, 2.0]
    assert other.grad.tolist() == [0.0] * 3
    distributed.average_gradients([])


def test_an_averaged_gradient_has_its_parameters_strides(two):
    """The fused CPU Adam walks memory in order: other strides would silently move wrong elements."""
    parameter = nn.Parameter(torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last))
    gradient = torch.randn(4, 3, 2, 2)
    parameter.grad = gradient.to(memory_format=torch.channels_last)
    distributed.average_gradients([parameter])
    assert parameter.grad.stride() == parameter.stride()
    assert torch.equal(parameter.grad, gradient / 2)


@FORKS
def test_processes_agree_and_leave_their_group_also_when_they_fail(tmp_path):
    def work(rank):
        for fails in (False, True):
            try:
                with distributed.joined():
                    assert (distributed.world(), distributed.rank()) == (2, rank)
                    assert distributed.agree(f"b\udcff{rank}") == "b\udcff0"
                    assert distributed.any_of(rank == 1) and not distributed.any_of(False)
                    assert distributed.mean(float(rank)) == 0.5
                    assert distributed.total(torch.tensor([1.0, rank])).tolist() == [2.0, 1.0]
                    with distributed.joined():  # as a command that has joined calls a function that does
                        distributed.barrier()
                    assert torch.distributed.is_initialized()
                    if fails:
                        raise OverflowError
            except OverflowError:
                pass
            assert not torch.distributed.is_initialized()

    assert together(work) == [0, 0]


@FORKS
def test_work_is_done_by_the_first_process_before_the_others(tmp_path):
    def work(rank):
        def pack():
            assert rank == 0 or (tmp_path / "0").exists()
            assert rank != 2 or (tmp_path / "1").exists()
            (tmp_path / str(rank)).touch()
            return rank

        os.environ["LOCAL_RANK"] = "1" if rank == 2 else "0"  # two machines, the second with processes 1 and 2
        with distributed.joined():
            assert distributed.in_turns(pack) == rank

    assert together(work, 3) == [0, 0, 0]


@FORKS
def test_if_one_process_fails_the_others_end_too(tmp_path):
    def work(rank):
        def pack():
            raise UsageError("no such data")

        with distributed.joined():
            try:
                distributed.in_turns(pack)
            except distributed.PeerLost:
                os._exit(7)

    assert together(work) == [2, 7]


@pytest.mark.slow
def test_two_processes_end_with_equal_weights(tmp_path, own_cache):
    (tmp_path / "script.py").write_text(SCRIPT)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "script.py", "."]
    done = subprocess.run(
        launch,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("toy-gan", "toy-stages"):
        one, other = (json.loads((tmp_path / f"{name}-{rank}.json").read_text()) for rank in (0, 1))
        assert one == other
    runs = list(find_runs(tmp_path))
    assert len(runs) == 2
    for run in runs:
        assert run.finished
        assert checkpoint.load(run.newest_checkpoint())[1]["drawn"] >= 256
