"""How exactly torch computes: features must not depend on switches that a program set elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

Switch = tuple[Any, str, object]
"""An object of torch, its attribute, and the value to give it."""


@contextlib.contextmanager
def arithmetic(*, tf32: bool = False) -> Iterator[None]:
    """Compute float32 as float32, or with TF32 products where that is asked for, by deterministic kernels."""
    switches = [
        (torch.backends.cudnn, "deterministic", True),
        (torch.backends.cudnn, "benchmark", False),
        *(_by_operation(tf32) if hasattr(torch.backends.cudnn, "conv") else _by_library(tf32)),
    ]
    before = [(place, name, getattr(place, name)) for place, name, _ in switches]
    try:
        _set(switches)
        yield
    finally:
        _set(before)


def _by_operation(tf32: bool) -> list[Switch]:
    """torch 2.9 and later, where reading the older switches fails once a program has set these."""
    backends: Any = torch.backends
    on_gpu: list[Any] = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]
    on_cpu: list[Any] = [backends.mkldnn.matmul, backends.mkldnn.conv]
    return [
        *((place, "fp32_precision", "tf32" if tf32 else "ieee") for place in on_gpu),
        *((place, "fp32_precision", "ieee") for place in on_cpu),
    ]


def _by_library(tf32: bool) -> list[Switch]:
    return [(place, "allow_tf32", tf32) for place in (torch.backends.cuda.matmul, torch.backends.cudnn)]


def _set(switches: list[Switch]) -> None:
    for place, name, value in switches:
        setattr(place, name, value)
