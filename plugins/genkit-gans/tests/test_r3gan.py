"""R3GAN: paired losses, both penalties on detached images, blocks that start as the identity."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from genkit_gans.blocks import Residual
from genkit_gans.r3gan import R3GAN, R3GANOptions
from torch import Tensor, nn
from torch.nn.functional import softplus

from genkit.models import Batch, DataInfo, Step
from genkit.models.gan import to_signed
from genkit.models.losses import RELATIVISTIC, Adversarial, input_gradients

INFO = DataInfo((1, 8, 8))
R, F = [3.0, -3.0], [2.0, -4.5]


def build(cls: type[R3GAN] = R3GAN, **options: float) -> R3GAN:
    torch.manual_seed(0)
    return cls(R3GANOptions(width=8, blocks=1, **options), INFO)


def test_the_losses_without_penalties_by_hand(loss_on: Callable[..., float]) -> None:
    model = build()
    model.penalty = lambda real, generated, step: 0.0  # type: ignore[method-assign]
    r, f = torch.tensor(R), torch.tensor(F)
    assert loss_on(model, "discriminator", R, F) == pytest.approx(softplus(f - r).mean().item())
    assert loss_on(model, "generator", F, R) == pytest.approx(softplus(r - f).mean().item())


def test_the_penalty_is_half_gamma_times_the_sum_of_both_squared_slopes(step: Callable[..., Step]) -> None:
    model = build(gamma=3.0)
    model.discriminate = lambda images, labels=None: images.square().flatten(1).sum(1)  # type: ignore[method-assign]
    real, generated = torch.rand(2, 4, 1, 8, 8)
    expected = 1.5 * sum((2 * images).square().sum((1, 2, 3)).mean().item() for images in (real, generated))
    assert model.penalty(real, generated, step()).item() == pytest.approx(expected, rel=1e-5)


class Unpaired(R3GAN):
    """Compares means, like a relativistic average GAN."""

    adversarial = Adversarial(
        "unpaired",
        lambda real, generated: softplus(generated.mean() - real.mean()),
        lambda generated, real: softplus(real.mean() - generated.mean()),
        paired=True,
    )


def pairs(model: R3GAN, loss_on: Callable[..., float]) -> bool:
    """Whether the loss depends on how real and generated images are paired."""
    model.penalty = lambda real, generated, step: 0.0  # type: ignore[method-assign]
    both = [
        (loss_on(model, phase, R, F), loss_on(model, phase, R, F[::-1])) for phase in ("discriminator", "generator")
    ]
    return all(one != pytest.approx(other) for one, other in both)


def test_each_generated_image_meets_one_real_image(loss_on: Callable[..., float]) -> None:
    assert pairs(build(), loss_on)
    assert not pairs(build(Unpaired), loss_on)
    assert build().adversarial is RELATIVISTIC


class Undetached(R3GAN):
    """Computes R2 at images that are not detached."""

    def discriminator_loss(self, batch: Batch, step: Step) -> Tensor:
        generated, _ = self.generate_fake(len(batch), step)
        real, logits = to_signed(batch.images), self.discriminate(generated)
        (slope,) = torch.autograd.grad(logits.sum(), generated, create_graph=True)
        r1 = input_gradients(self.discriminate, real).square().flatten(1).sum(1).mean()
        r2 = slope.square().flatten(1).sum(1).mean()
        return self.adversarial.discriminator(self.discriminate(real), logits) + 0.5 * self.options.gamma * (r1 + r2)


def reaches_the_generator(model: R3GAN, step: Step) -> bool:
    model.loss("discriminator", Batch(torch.rand(4, 1, 8, 8)), step).backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in model.discriminator.parameters())
    return any(p.grad is not None and bool(p.grad.any()) for p in model.generator.parameters())


def test_r2_is_taken_at_detached_images(step: Callable[..., Step]) -> None:
    assert not reaches_the_generator(build(), step())
    assert reaches_the_generator(build(Undetached), step())


def test_there_is_no_normalisation_and_adam_has_no_momentum() -> None:
    model = build()
    kinds = [type(module).__name__ for module in model.modules()]
    assert not any("Norm" in kind for kind in kinds)
    assert not any("parametrizations" in name for name, _ in model.named_parameters())
    assert [phase.optimizer.defaults["betas"] for phase in model.phases()] == [(0.0, 0.99)] * 2


def test_every_block_starts_as_the_identity_and_learns() -> None:
    blocks = [module for module in build().modules() if isinstance(module, Residual)]
    assert len(blocks) == 6
    for block in blocks:
        channels = block.branch[0].in_channels
        x = torch.randn(2, channels, 4, 4)
        assert torch.equal(block(x), x)
        block(x).square().sum().backward()
        assert block.branch[-1].weight.grad.any()


def test_signals_keep_their_size_through_both_networks() -> None:
    torch.manual_seed(0)
    model = R3GAN(R3GANOptions(width=32), DataInfo((3, 32, 32)))
    images = model.generate(64, generator=torch.Generator().manual_seed(0))
    assert 0.2 < images.std().item() < 3
    assert 0.1 < model.discriminate(images).std().item() < 5


def test_grouped_convolutions_have_groups_of_sixteen_channels() -> None:
    grouped = [m for m in build().modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert {m.in_channels // m.groups for m in grouped} == {16}
