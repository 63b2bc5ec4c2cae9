"""AC-GAN: its loss by hand, and the ramp of the class loss of generated images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from genkit_gans.acgan import ACGAN, ACGANOptions
from torch import Tensor
from torch.nn.functional import cross_entropy

from genkit.models import Batch, DataInfo, Step

RAMP = 1000


def build(info: DataInfo, cls: type[ACGAN] = ACGAN) -> ACGAN:
    torch.manual_seed(0)
    return cls(ACGANOptions(width=4, class_weight=0.5, class_ramp=RAMP), info)


def phase_loss(model: ACGAN, phase: str, given: Batch, step: Step) -> tuple[float, list[tuple[Tensor, Tensor]], Tensor]:
    """A phase's loss, the discriminator's outputs in each pass, and the labels of generated images."""
    said: list[Any] = []
    made: list[Any] = []
    handles = [
        model.discriminator.register_forward_hook(lambda _, inputs, output: said.append(output)),
        model.generator.register_forward_pre_hook(lambda _, inputs: made.append(inputs[1])),
    ]
    loss = model.loss(phase, given, step).item()
    for handle in handles:
        handle.remove()
    return loss, said, made[0]


@pytest.mark.parametrize(("seen", "weight"), [(0, 0.0), (RAMP // 4, 0.25), (RAMP, 1.0), (9 * RAMP, 1.0)])
def test_the_losses_by_hand(
    seen: int, weight: float, digits_info: DataInfo, batch: Callable[..., Batch], step: Callable[..., Step]
) -> None:
    given = batch(digits_info, 6)
    loss, ((r, r_class), (f, f_class)), labels = phase_loss(
        build(digits_info), "discriminator", given, step(0, 0, seen)
    )
    hinge = (1 - r).relu().mean() + (1 + f).relu().mean()
    named = cross_entropy(r_class, given.labels) + weight * cross_entropy(f_class, labels)
    assert loss == pytest.approx((hinge + 0.5 * named).item(), rel=1e-5)
    loss, ((f, f_class),), labels = phase_loss(build(digits_info), "generator", given, step(0, 0, seen))
    assert loss == pytest.approx((-f.mean() + 0.5 * weight * cross_entropy(f_class, labels)).item(), rel=1e-5)


class FullWeight(ACGAN):
    """The class loss of generated images at full weight from the first step."""

    def ramp(self, step: Step) -> float:
        return 1.0


def classifies_generated(model: ACGAN, given: Batch, step: Step) -> bool:
    """Whether the class loss of generated images has a gradient in the first step."""
    shown: list[Tensor] = []
    model.discriminator.register_forward_hook(lambda _, inputs, output: shown.append(output[1]))
    counts = []
    for phase in ("discriminator", "generator"):
        loss = model.loss(phase, given, step)
        (slope,) = torch.autograd.grad(loss, shown[-1], allow_unused=True)
        counts.append(slope is not None and bool(slope.any()))
    return any(counts)


def test_at_first_the_class_of_generated_images_does_not_count(
    digits_info: DataInfo, batch: Callable[..., Batch], step: Callable[..., Step]
) -> None:
    given = batch(digits_info, 6)
    assert not classifies_generated(build(digits_info), given, step())
    assert classifies_generated(build(digits_info, FullWeight), given, step())
