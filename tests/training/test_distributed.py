from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest
import torch
from forks import together
from torch import nn

from genkit.devices import pick_device
from genkit.errors import GenkitError, UsageError
from genkit.training import distributed

FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture
def two(monkeypatch):
    """This process believes that it is one of two, the other having gradients of zero."""
    monkeypatch.setattr(distributed, "world", lambda: 2)
    monkeypatch.setattr(distributed, "_add_up", lambda tensor: None)


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


@pytest.mark.parametrize("lasts", [False, True], ids=["a moment", "longer"])
def test_a_sum_is_waited_for_awake_for_a_moment_and_then_asleep(monkeypatch, lasts):
    seen = []

    def completed():
        seen.append("looked")
        return not lasts and len(seen) > 3

    work = SimpleNamespace(is_completed=completed, wait=lambda: seen.append("waited"))
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor, async_op: work if async_op else None)
    monkeypatch.setattr(distributed, "AWAKE", 0.01 if lasts else 600.0)
    distributed._add_up(torch.zeros(1))
    assert seen[0] == "looked" and seen[-1] == "waited" and seen.count("waited") == 1
    assert lasts or seen.count("looked") == 4


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


@FORKS
def test_what_the_first_process_finds_or_has_all_have(tmp_path):
    def work(rank):
        images = torch.full((2, 3, 4, 4), float(rank)).to(memory_format=torch.channels_last)
        tensors = [images, torch.tensor([rank == 0, True]), torch.tensor(7 + rank), torch.empty(0), torch.ones(3)[::2]]
        with distributed.joined():
            assert distributed.of_first(lambda: f"{tmp_path}/{rank}") == f"{tmp_path}/0"
            distributed.share(tensors)
            backend = torch.distributed.group.WORLD._get_backend(torch.device("cpu"))
            assert backend.options._timeout == distributed.PATIENCE  # what the first does alone may take long
        assert images.eq(0).all() and images.is_contiguous(memory_format=torch.channels_last)
        assert [tensor.tolist() for tensor in tensors[1:]] == [[True, True], 7, [], [1.0, 1.0]]

    assert together(work) == [0, 0]


@FORKS
def test_if_the_user_stops_one_process_before_training_begins_the_others_stop_too():
    def work(rank):
        def stop(number, frame):
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, stop)
        with distributed.joined():
            if rank == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            distributed.barrier()

    assert together(work) == [130, 1]


@FORKS
def test_a_group_of_a_script_by_which_processes_cannot_agree_is_named():
    def work(rank):
        torch.distributed.init_process_group("cuda:gloo", rank=rank, world_size=2)
        named = pytest.raises(GenkitError, match="has nothing for the CPU, by which processes agree: make it by")
        with named, distributed.joined():
            pass

    assert together(work) == [0, 0]


def test_more_processes_than_gpus_are_joined_as_they_may_train_on_the_cpu(monkeypatch):
    for name, value in (("WORLD_SIZE", "4"), ("RANK", "3"), ("LOCAL_RANK", "3")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: True)
    monkeypatch.setattr(distributed, "meet", lambda *_: torch.distributed.HashStore())
    made = []
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda backend, **_: made.append(backend))
    with distributed.joined():
        assert made == ["cpu:gloo,cuda:nccl"]
    with pytest.raises(UsageError, match="launch one process a GPU, or give --device cpu"):
        pick_device("auto")


@FORKS
def test_processes_train_on_one_kind_of_device_that_has_averages_and_on_a_gpu_each(monkeypatch):
    gpus = SimpleNamespace(uuid="GPU-5")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: gpus)

    def refused(kind, reason):
        with pytest.raises(UsageError, match=reason):
            distributed.check_device(torch.device(kind))

    def work(rank):
        with distributed.joined():
            distributed.check_device(torch.device("cpu"))
            refused("mps", "processes can't train together on mps: give --device cpu")
            refused("cuda", "2 processes have one GPU: launch one process a GPU, or give --device cpu")
            gpus.uuid = f"GPU-{rank}"
            distributed.check_device(torch.device("cuda"))
            if rank:
                refused("cpu", "other processes of this training don't compute on cpu")
            else:
                distributed.check_device(torch.device("cuda"))

    assert together(work) == [1, 0]  # the second has ended while the first compares GPUs


@pytest.mark.parametrize(
    ("world", "local", "said"),
    [
        (1, None, "genkit train"),
        (1, "2", "genkit train"),
        (2, "2", "torchrun --standalone --nproc-per-node 2 --no-python -- genkit train"),
        (4, "2", "genkit train, in 4 processes again"),
        (2, None, "genkit train, in 2 processes again"),
    ],
)
def test_the_command_to_go_on_with_is_that_of_as_many_processes(monkeypatch, world, local, said):
    monkeypatch.setattr(distributed, "world", lambda: world)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if local:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    assert distributed.command_of_all("genkit train") == said
