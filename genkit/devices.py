"""Choosing the device."""

from __future__ import annotations

import torch

from genkit.errors import UsageError


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
