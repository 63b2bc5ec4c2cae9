"""Training in several processes launched by torchrun: averages and sums by explicit all-reduce."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn


def start(device: torch.device) -> None:
    """Join the processes that torchrun launched; does nothing in a single process."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average gradients over all processes in one all-reduce; a missing gradient counts as zero."""
    if world() == 1:
        return
    parameters = list(parameters)
    if not parameters:
        return
    flat = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters])
    dist.all_reduce(flat)
    flat /= world()
    for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        # The fused CPU Adam goes through memory in order: a gradient must have its parameter's strides.
        parameter.grad = torch.empty_like(parameter).copy_(part.view_as(parameter))


def total(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes."""
    if world() == 1:
        return tensor
    tensor = tensor.clone()
    dist.all_reduce(tensor)
    return tensor


def agree(text: str, device: torch.device) -> str:
    """Return process 0's text in all processes."""
    if world() == 1:
        return text
    data = os.fsencode(text)  # a path may hold bytes that are no UTF-8
    size = torch.tensor(len(data), device=device)
    dist.broadcast(size, src=0)
    letters = torch.zeros(int(size), dtype=torch.uint8, device=device)
    if rank() == 0:
        letters.copy_(torch.tensor(list(data), dtype=torch.uint8))
    dist.broadcast(letters, src=0)
    return os.fsdecode(bytes(letters.tolist()))


def any_of(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in any process."""
    return flag if world() == 1 else bool(total(torch.tensor(float(flag), device=device)) > 0)


def mean(value: float, device: torch.device) -> float:
    """Return the mean of a number over all processes."""
    if world() == 1:
        return value
    return float(total(torch.tensor(value, dtype=torch.float64, device=device))) / world()
