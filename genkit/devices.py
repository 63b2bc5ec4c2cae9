"""Choosing the device, and the precision of training on it."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import torch

from genkit.errors import UsageError

PRECISIONS = ("float32", "bfloat16")


def pick_device(wanted: str = "auto") -> torch.device:
    """Return the device; ``auto`` is CUDA, else Apple's MPS, else the CPU.

    Raises UsageError for a device that does not exist.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.zeros(1, device=device).item()  # fails on "meta", whose tensors have no data
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"there is no device {wanted!r} here: {str(error).splitlines()[0]}") from error
    return device


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
