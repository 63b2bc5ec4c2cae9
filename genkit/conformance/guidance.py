"""Checks of an option of drawing named ``guidance``: 0 ignores the class, 1 is the class's own, all else is honoured.

With logits or scores u of any class and c of the class, guided ones are u + guidance (c - u) (arXiv:2207.12598).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from genkit.conformance.conditions import DRAWN, conditional
from genkit.conformance.drawing import drawn
from genkit.conformance.report import CheckFailed, CheckSkipped, require
from genkit.conformance.under_test import ModelUnderTest, draw, identical, shows_nothing, training_updates
from genkit.errors import OptionsError
from genkit.models.base import GenerativeModel
from genkit.models.drawing import drawing_options

NAME = "guidance"
TINY, MODERATE = (0.01, 0.04), (0.1, 0.4)
"""Pairs of values whose effects are as 1 to 4, and as 1 to 16 where guidance is applied twice.

A sampler of real numbers shows it at tiny values. Of one that picks tokens some samples change, more than a quarter of
those at the larger value, as there are only so many tokens to change.
"""

MOVED = 48
"""Samples of 128 that must change for their number to say something."""


def conventions(tested: ModelUnderTest) -> None:
    """Guidance 0 ignores the class, 1 does not, and samples move with all values between, in proportion near 0."""
    model, labels = _guided(tested)
    other = (labels + 1) % model.data.num_classes
    none, plain = _draw(tested, model, 0, labels), _draw(tested, model, 1, labels)
    if shows_nothing(torch.cat([none, plain])):
        raise CheckSkipped("unverified: all its samples are black and white alike")
    ignored = "guided logits are u + guidance (c - u), so that 0 ignores the class and 1 is the class's own"
    moved = float((none - _draw(tested, model, 0, other)).abs().mean())
    require(moved < 1e-4, f"at guidance 0 samples still depend on their class: {ignored}")
    require(
        not identical(plain, _draw(tested, model, 1, other)), f"at guidance 1 samples ignore their class: {ignored}"
    )
    half, strong = _draw(tested, model, 0.5, labels), _draw(tested, model, 3, labels)
    for what, one, two in (
        ("0.5 draws as 0", half, none),
        ("0.5 draws as 1", half, plain),
        ("3 draws as 1", strong, plain),
    ):
        require(not identical(one, two), f"guidance {what}: every value is honoured, below 1 too")
    _require_once(tested, model, labels, none)


def _require_once(tested: ModelUnderTest, model: GenerativeModel, labels: Tensor, none: Tensor) -> None:
    """Raise CheckFailed if samples leave those of guidance 0 with its square, as of guidance applied twice."""
    small, large = _moved(tested, model, labels, none, TINY)
    if bool((small > 0).all()):
        share, least = float(small.mean() / large.mean()), 0.125
    else:  # a sampler that picks tokens: how many samples have another one?
        small, large = (moved > 0 for moved in _moved(tested, model, labels, none, MODERATE))
        if int(large.sum()) < MOVED:
            raise CheckSkipped("unverified: whether guidance is applied once, as it moves few samples yet")
        share = int(small.sum()) / int(large.sum())
        least = 0.25 - 2.5 * math.sqrt(int(small.sum()) + 1) / int(large.sum())
    require(
        share > least,
        f"near guidance 0 a quarter of the guidance moves samples {share:.2g} times as far, and not 0.25 times: it is "
        "applied twice",
    )


def _moved(
    tested: ModelUnderTest, model: GenerativeModel, labels: Tensor, none: Tensor, pair: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Return how far each sample moves from guidance 0 to either of a pair."""
    one, other = ((_draw(tested, model, value, labels) - none).abs().flatten(1).mean(1) for value in pair)
    return one, other


def any_class_trained(tested: ModelUnderTest) -> None:
    """What stands for "any class" at guidance 0 is trained: a label's vector that gets no gradient is not."""
    model, labels = _guided(tested)
    labels = labels[:16]
    none, plain = _draw(tested, model, 0, labels), _draw(tested, model, 1, labels)
    for name, rows in _untrained(tested):
        other = copy.deepcopy(model)
        with torch.no_grad():
            tensor = _named(other)[name]
            chosen = tensor[rows] if rows is not None else tensor
            noise = torch.randn_like(chosen) * (1 + chosen.std(correction=0))
            if rows is not None:
                tensor[rows] = chosen + noise
            else:
                tensor.add_(noise)
        apart = not identical(none, _draw(tested, other, 0, labels))
        if apart and identical(plain, _draw(tested, other, 1, labels)):
            where = f"{name}, row {rows.nonzero().flatten().tolist()[0]}" if rows is not None else name
            raise CheckFailed(
                f"guidance 0 draws with {where}, which no training step moves: leave out a share of the labels in the "
                "loss, so that any class is trained"
            )


def _untrained(tested: ModelUnderTest) -> Iterator[tuple[str, Tensor | None]]:
    """Yield the floating-point tensors, or rows of embeddings (a mask), that no step of a short training moves."""
    model = tested.build(tested.data.info())
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    moved: dict[str, Tensor] = {}
    for runner, phase, batch, step in training_updates(model, tested.data, steps=40):
        runner.run(phase, batch, step)
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                moved[name] = moved.get(name, torch.zeros_like(parameter, dtype=torch.bool)) | (parameter.grad != 0)
    for name, tensor in _named(model).items():
        if not tensor.is_floating_point() or tensor.numel() == 0:
            continue
        touched = moved.get(name)
        if touched is None or not bool(touched.any()):
            yield name, None
        elif id(tensor) in tables:
            rows = ~touched.flatten(1).any(1)
            if bool(rows.any()):
                yield name, rows


def _named(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _guided(tested: ModelUnderTest) -> tuple[GenerativeModel, Tensor]:
    """Return the trained model and the labels to draw; raises CheckSkipped for one without guidance from 0 to 3."""
    if NAME not in drawing_options(tested.cls):
        raise CheckSkipped("no guidance")
    model = conditional(tested)
    for value in (0, *TINY, *MODERATE, 0.5, 3):
        try:
            drawn(model, {NAME: value}, tested)
        except OptionsError as error:
            raise CheckSkipped(f"unverified: refuses guidance {value}: {error}") from error
    return model, torch.arange(DRAWN) % model.data.num_classes


def _draw(tested: ModelUnderTest, model: GenerativeModel, value: float, labels: Tensor) -> Tensor:
    return draw(drawn(model, {NAME: value}, tested), labels, 8)
