"""Torch's precision switches: features must not depend on what a program set elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

Switch = tuple[Any, str, object]
"""An object of torch, its attribute, and the value to give it."""


@contextlib.contextmanager
def arithmetic(*, tf32: bool = False) -> Iterator[None]:
    """Within the context, float32 is computed by deterministic kernels in full precision, or in TF32 if ``tf32``."""
    switches = [
        (torch.backends.cudnn, "deterministic", True),
        (torch.backends.cudnn, "benchmark", False),
        *(_by_operation(tf32) if hasattr(torch.backends.cudnn, "conv") else _by_library(tf32)),
    ]
    before = [(backend, name, getattr(backend, name)) for backend, name, _ in switches]
    try:
        _set(switches)
        yield
    finally:
        _set(before)


def _by_operation(tf32: bool) -> list[Switch]:
    """The switches of torch 2.9 and later; reading the older ones fails once a program has set these."""
    backends: Any = torch.backends
    on_gpu: list[Any] = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]
    on_cpu: list[Any] = [backends.mkldnn.matmul, backends.mkldnn.conv]
    return [
        *((backend, "fp32_precision", "tf32" if tf32 else "ieee") for backend in on_gpu),
        *((backend, "fp32_precision", "ieee") for backend in on_cpu),
    ]


def _by_library(tf32: bool) -> list[Switch]:
    return [(backend, "allow_tf32", tf32) for backend in (torch.backends.cuda.matmul, torch.backends.cudnn)]


def _set(switches: list[Switch]) -> None:
    for backend, name, value in switches:
        setattr(backend, name, value)
