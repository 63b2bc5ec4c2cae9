"""Choosing the device of a process, one of several too, and the precision of training on it."""

from __future__ import annotations

import contextlib
import os
from typing import Any, NamedTuple

import torch

from genkit.errors import UsageError

PRECISIONS = ("float32", "bfloat16")


class Launched(NamedTuple):
    """The processes that were launched together: how many, this one's number, and its number on this machine."""

    world: int
    rank: int
    local: int


def launched() -> Launched:
    """Return which of the processes this is that torchrun, or another launcher with its variables, started together.

    Raises UsageError for variables that don't say it.
    """
    names = ("WORLD_SIZE", "RANK", "LOCAL_RANK")
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return Launched(1, 0, 0)
    try:
        found = Launched(*(int(os.environ[name]) for name in names))
        if not 0 <= found.rank < found.world or found.local < 0:
            raise ValueError
        return found
    except (KeyError, ValueError) as error:
        told = ", ".join(f"{name}={os.environ.get(name, '')}" for name in names)
        raise UsageError(
            f"the environment says that several processes were launched together, but not which one this is ({told}): "
            "launch them by torchrun, or unset WORLD_SIZE"
        ) from error


def own_gpu() -> torch.device:
    """Return the GPU of this process, and make it the current one if several processes were launched together.

    Where a launcher shows each process a single GPU it is that one. Raises UsageError if processes outnumber the GPUs.
    """
    world, _, local = launched()
    if world == 1:
        return torch.device("cuda")
    count = torch.cuda.device_count()
    if 1 < count <= local:
        raise UsageError(
            f"process {local} of this machine has no GPU of its own, as there are {count}: launch one process a GPU, "
            "or give --device cpu"
        )
    device = torch.device("cuda", local if count > 1 else 0)
    torch.cuda.set_device(device)
    return device


def pick_device(wanted: str = "auto") -> torch.device:
    """Return the device; ``auto`` is CUDA, else Apple's MPS, else the CPU.

    Of several processes that were launched together each has a GPU of its own: that of its LOCAL_RANK, which becomes
    the current one before anything else touches CUDA. Raises UsageError for a device that does not exist, or is not
    this process's own.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return own_gpu()
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        if device.type == "cuda" and torch.cuda.is_available() and launched().world > 1:
            device = _only(own_gpu(), device)
        torch.zeros(1, device=device).item()  # fails on "meta", whose tensors have no data
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"there is no device {wanted!r} here: {str(error).splitlines()[0]}") from error
    return device


def _only(own: torch.device, wanted: torch.device) -> torch.device:
    """Return the GPU of this process; raises UsageError if another one was named."""
    if wanted.index not in (None, own.index):
        raise UsageError(
            f"each of the processes that were launched together has a GPU of its own, here {own}: give --device cuda, "
            f"not {wanted}"
        )
    return own


def device_name(device: torch.device) -> str:
    """Return the name of a device that times were measured on."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type}, {os.cpu_count()} cores"


def pick_precision(wanted: str | None, device: torch.device) -> str:
    """Return the precision of training; without a wish bfloat16 on CUDA where that is supported, else float32.

    Raises UsageError for a precision that there is not, or not on this device.
    """
    native = device.type != "cuda" or torch.cuda.is_bf16_supported()
    if not wanted:
        return "bfloat16" if device.type == "cuda" and native else "float32"
    if wanted not in PRECISIONS:
        raise UsageError(f"there is no precision {wanted!r} to train in: choose {' or '.join(PRECISIONS)}")
    if wanted == "bfloat16" and not native:
        raise UsageError(f"{device} does not compute in bfloat16: give a new run --precision float32")
    return wanted


def autocast(device: torch.device, precision: str) -> Any:
    """Return the context in which losses are computed: mixed precision for bfloat16, weights staying float32."""
    mixed = precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16) if mixed else contextlib.nullcontext()
