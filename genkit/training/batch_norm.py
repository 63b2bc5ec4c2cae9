"""Statistics of batch normalisation, of which each process of a training sees another part of the batch."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from genkit.training import distributed

STATISTICS = ("running_mean", "running_var")
"""The buffers that hold them."""

Owned = list[tuple[dict[str, Tensor | None], str]]
"""Buffers by the dictionary that holds them, as a model may replace one."""


def statistics(model: nn.Module, *, moving: bool = False) -> Owned:
    """Return all statistics of a model; of modules in training mode alone if only those that move are asked for."""
    return [
        (module._buffers, name)
        for module in model.modules()
        for name in STATISTICS
        if module._buffers.get(name) is not None and (module.training or not moving)
    ]


def kind_of_statistics(model: nn.Module) -> Literal["", "averaged"]:
    """Return what a run's config says of its ``batch_norm``."""
    return "averaged" if distributed.world() > 1 and statistics(model) else ""


def average_statistics(owned: Owned) -> None:
    """Replace statistics by their means over all processes.

    After every step, and not only when they are saved: so a run that is interrupted at any step goes on with the same
    numbers, and a module of a finished stage, such as a tokenizer, computes the same in all processes.
    """
    distributed.average([tensor for buffers, name in owned if (tensor := buffers[name]) is not None])
