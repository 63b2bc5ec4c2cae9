"""The published file of Inception-v3's weights: its tensors and their shapes.

It is the TensorFlow graph of 2015-12-05 converted to PyTorch; torch-fidelity, torchmetrics and pytorch-fid use it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

Shape = tuple[int, int, int, int]
"""Output channels, input channels, height and width of a kernel."""

CLASSES = 1008
WIDTH = 2048


def convolutions() -> dict[str, Shape]:
    """Return the kernel shape of every convolution by its published name, in the network's order."""
    return dict(_convolutions())


def _convolutions() -> Iterator[tuple[str, Shape]]:
    yield "Conv2d_1a_3x3", (32, 3, 3, 3)
    yield "Conv2d_2a_3x3", (32, 32, 3, 3)
    yield "Conv2d_2b_3x3", (64, 32, 3, 3)
    yield "Conv2d_3b_1x1", (80, 64, 1, 1)
    yield "Conv2d_4a_3x3", (192, 80, 3, 3)
    for name, inputs, pooled in (("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64)):
        yield f"{name}.branch1x1", (64, inputs, 1, 1)
        yield f"{name}.branch5x5_1", (48, inputs, 1, 1)
        yield f"{name}.branch5x5_2", (64, 48, 5, 5)
        yield from _three_by_three_twice(name, inputs)
        yield f"{name}.branch_pool", (pooled, inputs, 1, 1)
    yield "Mixed_6a.branch3x3", (384, 288, 3, 3)
    yield from _three_by_three_twice("Mixed_6a", 288)
    for name, hidden in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        yield f"{name}.branch1x1", (192, 768, 1, 1)
        yield f"{name}.branch7x7_1", (hidden, 768, 1, 1)
        yield f"{name}.branch7x7_2", (hidden, hidden, 1, 7)
        yield f"{name}.branch7x7_3", (192, hidden, 7, 1)
        yield f"{name}.branch7x7dbl_1", (hidden, 768, 1, 1)
        yield f"{name}.branch7x7dbl_2", (hidden, hidden, 7, 1)
        yield f"{name}.branch7x7dbl_3", (hidden, hidden, 1, 7)
        yield f"{name}.branch7x7dbl_4", (hidden, hidden, 7, 1)
        yield f"{name}.branch7x7dbl_5", (192, hidden, 1, 7)
        yield f"{name}.branch_pool", (192, 768, 1, 1)
    yield "Mixed_7a.branch3x3_1", (192, 768, 1, 1)
    yield "Mixed_7a.branch3x3_2", (320, 192, 3, 3)
    yield "Mixed_7a.branch7x7x3_1", (192, 768, 1, 1)
    yield "Mixed_7a.branch7x7x3_2", (192, 192, 1, 7)
    yield "Mixed_7a.branch7x7x3_3", (192, 192, 7, 1)
    yield "Mixed_7a.branch7x7x3_4", (192, 192, 3, 3)
    for name, inputs in (("Mixed_7b", 1280), ("Mixed_7c", WIDTH)):
        yield f"{name}.branch1x1", (320, inputs, 1, 1)
        yield f"{name}.branch3x3_1", (384, inputs, 1, 1)
        yield f"{name}.branch3x3_2a", (384, 384, 1, 3)
        yield f"{name}.branch3x3_2b", (384, 384, 3, 1)
        yield f"{name}.branch3x3dbl_1", (448, inputs, 1, 1)
        yield f"{name}.branch3x3dbl_2", (384, 448, 3, 3)
        yield f"{name}.branch3x3dbl_3a", (384, 384, 1, 3)
        yield f"{name}.branch3x3dbl_3b", (384, 384, 3, 1)
        yield f"{name}.branch_pool", (192, inputs, 1, 1)


def _three_by_three_twice(name: str, inputs: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.branch3x3dbl_1", (64, inputs, 1, 1)
    yield f"{name}.branch3x3dbl_2", (96, 64, 3, 3)
    yield f"{name}.branch3x3dbl_3", (96, 96, 3, 3)


def tensors() -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of the file by name, without the unused ``num_batches_tracked``."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in _convolutions():
        shapes[f"{name}.conv.weight"] = shape
        shapes |= {f"{name}.bn.{part}": shape[:1] for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes | {"fc.weight": (CLASSES, WIDTH), "fc.bias": (CLASSES,)}


def misfit(state: Mapping[str, Tensor]) -> str:
    """Return how tensors differ from the published layout, or an empty string."""
    wanted = tensors()
    for name, shape in wanted.items():
        if name not in state:
            return f"{name} is missing"
        if tuple(state[name].shape) != shape:
            return f"{name} is {list(state[name].shape)}, not {list(shape)}"
    for name in state:
        if name not in wanted and not name.endswith(".num_batches_tracked"):
            return f"{name} is unexpected"
    return ""


def untrained_state(seed: int = 0) -> dict[str, Tensor]:
    """Return random tensors in the published layout, for tests and benchmarks without the published file.

    They are scaled so that activations neither vanish nor explode. ``num_batches_tracked`` is included for readers that
    require it.
    """
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in tensors().items():
        if len(shape) > 1:
            fan_in = torch.Size(shape[1:]).numel()
            state[name] = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
        elif name.endswith(("bn.weight", "running_var")):
            state[name] = torch.empty(shape).uniform_(0.7, 1.3, generator=generator)
        else:
            state[name] = torch.randn(shape, generator=generator) * 0.1
        if name.endswith("running_var"):
            state[name.replace("running_var", "num_batches_tracked")] = torch.tensor(0)
    return state
