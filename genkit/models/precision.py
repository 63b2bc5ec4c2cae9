"""Code that autocast must not reach: likelihoods, penalties and distances are computed in at least float32."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor


def full_precision(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Return a context with autocast off on ``device``.

    It does nothing if autocast is off already: entering torch's own context takes 1% of a small network's step.
    """
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()


def promoted(tensor: Tensor) -> Tensor:
    """Return a tensor in at least float32."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
