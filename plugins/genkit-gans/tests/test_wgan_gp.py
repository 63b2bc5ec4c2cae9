"""WGAN-GP: its loss by hand, and wrong versions of the penalty."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from genkit_gans.dcgan import convolutions
from genkit_gans.wgan_gp import WGANGP, WGANGPOptions
from torch import Tensor, nn

from genkit.models import Batch, DataInfo, Step
from genkit.models.losses import gradient_penalty

INFO = DataInfo((1, 8, 8))


def build(cls: type[WGANGP] = WGANGP, **options: float) -> WGANGP:
    torch.manual_seed(0)
    return cls(WGANGPOptions(width=4, **options), INFO)


def test_the_settings_are_five_critic_turns_and_adam_0_9(digits_info: DataInfo) -> None:
    discriminator, generator = build().phases()
    assert (discriminator.repeats, generator.repeats) == (5, 1)
    assert {(p.optimizer.defaults["lr"], p.optimizer.defaults["betas"]) for p in (discriminator, generator)} == {
        (1e-4, (0.0, 0.9))
    }


def test_the_losses_by_hand(
    digits_info: DataInfo, batch: Callable[..., Batch], step: Callable[..., Step], loss_on: Callable[..., float]
) -> None:
    model = build()
    model.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))
    slope = model.discriminator[1].weight.norm().item()
    images = batch(INFO, 6).images
    loss = model.loss("discriminator", Batch(images), step(3))
    generated = model.generate(6, generator=step(3).generator).detach()
    distance = model.discriminate(generated).mean() - model.discriminate(2 * images - 1).mean()
    assert loss.item() == pytest.approx(distance.item() + 10 * (slope - 1) ** 2, abs=1e-5)
    assert loss_on(model, "generator", [2.0, -0.5]) == pytest.approx(-0.75)


class BatchNormalised(WGANGP):
    """A critic with batch normalisation: the penalty of one image depends on all others."""

    def __init__(self, options: WGANGPOptions, data: DataInfo) -> None:
        super().__init__(options, data)
        self.discriminator = convolutions(options.width, data.shape)


def logits_are_independent(model: WGANGP) -> bool:
    images = torch.rand(6, 1, 8, 8) * 2 - 1
    other = torch.cat([images[:1], -images[1:]])
    return torch.allclose(model.discriminate(images)[0], model.discriminate(other)[0], atol=1e-6)


def test_no_logit_depends_on_another_image() -> None:
    assert logits_are_independent(build())
    assert not logits_are_independent(build(BatchNormalised))


class OneShare(WGANGP):
    """One interpolation weight for the whole batch."""

    def penalty(self, real: Tensor, generated: Tensor, step: Step) -> Tensor:
        share = torch.rand((), generator=step.generator)
        return self.options.penalty * gradient_penalty(self.discriminate, share * real + (1 - share) * generated)


def shares(model: WGANGP, step: Step) -> int:
    """Number of different interpolation weights for 20 white and 20 black images."""
    seen: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.penalty(torch.ones(20, 1, 8, 8), -torch.ones(20, 1, 8, 8), step)
    return len(seen[0].detach().flatten(1).unique(dim=0))


def test_every_image_has_an_alpha_of_its_own(step: Callable[..., Step]) -> None:
    assert shares(build(), step()) == 20
    assert shares(build(OneShare), step()) == 1


class LowPrecision(WGANGP):
    """Computes the penalty in the precision of the networks."""

    def penalty(self, real: Tensor, generated: Tensor, step: Step) -> Tensor:
        share = torch.rand(len(real), 1, 1, 1, generator=step.generator)
        between = (share * real + (1 - share) * generated).requires_grad_()
        (slope,) = torch.autograd.grad(self.discriminate(between).sum(), between, create_graph=True)
        return self.options.penalty * (slope.flatten(1).norm(dim=1) - 1).square().mean()


@pytest.mark.parametrize(("cls", "exact"), [(WGANGP, True), (LowPrecision, False)])
def test_the_penalty_is_float32_under_autocast(cls: type[WGANGP], exact: bool, step: Callable[..., Step]) -> None:
    model = build(cls)
    images = torch.rand(2, 8, 1, 8, 8) * 2 - 1
    expected = model.penalty(*images, step())
    with torch.autocast("cpu", torch.bfloat16):
        found = model.penalty(*images, step())
    assert torch.equal(found, expected) is exact
