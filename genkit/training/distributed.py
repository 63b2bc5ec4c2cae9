"""Training in several processes launched by torchrun: averages and sums by explicit all-reduce."""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from genkit.devices import launched, own_gpu
from genkit.errors import GenkitError, Interrupted, TrainingError, UsageError
from genkit.files.guard import by_user
from genkit.files.text import torchrun
from genkit.training.meeting import leave, leave_word, meet, word_left

T = TypeVar("T")

PATIENCE = datetime.timedelta(days=7)
"""How long processes wait for each other. What process 0 does alone, such as packing or saving, takes as long as it
takes; a process that ends is noticed at once, or by the launcher."""

AWAKE = 0.05
"""Seconds that a process waits for the others without going to sleep: a core that has slept computes slower for a
while, so that short waits cost more than themselves."""


class PeerLost(TrainingError):
    """Another process of the training has ended: it says why itself, unless it was killed."""


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Join the processes that were launched together, and leave them on every way out.

    Does nothing in a single process, and inside a process group that there is already. Raises GenkitError if they can't
    be joined, or that group has no backend for the CPU, and Interrupted if the user stops one of them meanwhile.
    """
    if dist.is_initialized():
        backend = dist.get_backend_config()
        if dist.get_world_size() > 1 and "cpu" not in backend:
            raise GenkitError(
                f"the process group of this script is {backend} and has nothing for the CPU, by which processes agree: "
                "make it by init_process_group('cpu:gloo,cuda:nccl'), or leave that to genkit"
            )
        yield
        return
    world, rank, _ = launched()
    if world == 1:
        yield
        return
    backend = (
        "gloo"  # of tensors on the CPU, as those by which processes agree; a process that ended is noticed at once
    )
    if torch.cuda.is_available() and dist.is_nccl_available():
        with contextlib.suppress(UsageError):  # of too few GPUs, which is said where one is asked for
            own_gpu()
        backend = "cpu:gloo,cuda:nccl"
    try:
        _join(backend, rank, world)
        yield
    except PeerLost as error:
        _raise_stopped(error)
        raise
    except (KeyboardInterrupt, Interrupted) as error:
        if by_user(error):
            leave_word("stopped")
        raise
    finally:
        leave()
        if dist.is_initialized():
            with contextlib.suppress(RuntimeError):  # of a group whose other processes have ended
                dist.destroy_process_group()


def _join(backend: str, rank: int, world: int) -> None:
    """Join the others; raises GenkitError, or Interrupted if the user has stopped one of them."""
    try:
        dist.init_process_group(backend, store=meet(rank, world), rank=rank, world_size=world, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        _raise_stopped(error)
        raise GenkitError(
            f"the {world} processes that were launched together can't be joined: {str(error).splitlines()[0]}"
        ) from error


def _raise_stopped(error: Exception) -> None:
    """Raise Interrupted if another process has left word that the user has stopped it."""
    if word_left()[0] == "stopped":
        raise Interrupted("stopped, as another process of this training was") from error


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def command_of_all(command: str) -> str:
    """Return a command as one gives it to as many processes as these."""
    if world() == 1:
        return command
    if str(world()) == os.environ.get("LOCAL_WORLD_SIZE"):
        return " ".join([*torchrun(world()), command])
    return f"{command}, in {world()} processes again"


def in_turns(work: Callable[[], T]) -> T:
    """Do work that leaves something on disk: process 0 first, then the first one of each other machine, then the rest.

    So a data set is packed once in each cache folder. If it fails in one process, the others raise PeerLost.
    """
    if world() == 1:
        return work()
    own = 0 if rank() == 0 else 1 if launched().local == 0 else 2
    for turn in range(3):
        if turn == own:
            result = work()
        barrier()
    return result


def check_device(device: torch.device) -> None:
    """Raise UsageError for a device on which this process can't train with the others."""
    if world() == 1:
        return
    if agree(device.type) != device.type:
        raise UsageError(f"other processes of this training don't compute on {device}: give all of them one --device")
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"processes can't train together on {device.type}: give --device cpu")
    if device.type == "cuda":
        gpus: list[str] = [""] * world()
        own = str(getattr(torch.cuda.get_device_properties(device), "uuid", rank()))
        _carried(dist.all_gather_object, gpus, own)
        if gpus.count(own) > 1:
            raise UsageError(
                f"{gpus.count(own)} processes have one GPU: launch one process a GPU, or give --device cpu"
            )


def of_first(work: Callable[[], str]) -> str:
    """Return in all processes the text that process 0's work returns; if that fails, the others raise PeerLost.

    What it finds in a folder need not be visible on another machine at the same moment.
    """
    return agree(work() if rank() == 0 else "")


def share(tensors: Iterable[Tensor]) -> None:
    """Replace tensors by those of process 0."""
    for tensor in tensors if world() > 1 else ():
        if tensor.numel():
            own = tensor.detach().contiguous()
            _carried(dist.broadcast, own.view(-1).view(torch.uint8), 0)
            tensor.detach().copy_(own)


def barrier() -> None:
    """Wait until all processes have come here; raises PeerLost."""
    if world() > 1:
        _add_up(torch.zeros(1))


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average gradients over all processes in one all-reduce; a missing gradient counts as zero."""
    if world() == 1:
        return
    parameters = list(parameters)
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    # In place, as the fused CPU Adam goes through memory in order: a gradient must keep its parameter's strides.
    average([parameter.grad for parameter in parameters if parameter.grad is not None])


def average(tensors: Sequence[Tensor]) -> None:
    """Replace tensors by their means over all processes, in one all-reduce."""
    if world() == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    _add_up(flat)
    flat /= world()
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view(tensor.shape))


def total(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes."""
    if world() == 1:
        return tensor
    tensor = tensor.clone()
    _add_up(tensor)
    return tensor


def agree(text: str) -> str:
    """Return process 0's text in all processes."""
    if world() == 1:
        return text
    data = os.fsencode(text) if rank() == 0 else b""  # a path may hold bytes that are no UTF-8
    letters = torch.zeros(int(total(torch.tensor(len(data)))), dtype=torch.uint8)
    if data:
        letters.copy_(torch.tensor(list(data), dtype=torch.uint8))
    _add_up(letters)
    return os.fsdecode(bytes(letters.tolist()))


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process."""
    return flag if world() == 1 else bool(total(torch.tensor(float(flag))) > 0)


def mean(value: float) -> float:
    """Return the mean of a number over all processes."""
    if world() == 1:
        return value
    return float(total(torch.tensor(value, dtype=torch.float64))) / world()


def _add_up(tensor: Tensor) -> None:
    """Replace a tensor by its sum over all processes."""
    _carried(_all_reduce, tensor)


def _all_reduce(tensor: Tensor) -> None:
    """Replace a tensor by its sum; on the CPU, wait awake for a moment first."""
    if tensor.device.type != "cpu" or not hasattr(os, "sched_yield"):
        dist.all_reduce(tensor)
        return
    work: Any = dist.all_reduce(tensor, async_op=True)
    until = time.monotonic() + AWAKE
    while not work.is_completed() and time.monotonic() < until:
        os.sched_yield()  # the threads that carry the sum may have this core alone
    work.wait()


def _carried(collective: Callable[..., Any], *arguments: Any) -> None:
    """Call a collective; raises PeerLost if another process has ended."""
    try:
        collective(*arguments)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        cause = str(error).splitlines()[0]
        raise PeerLost(f"another process of this training has ended, and says why if it could ({cause})") from error
