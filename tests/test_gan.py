"""The GAN base: ranges, separate passes, which gradients flow, which draws are made."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from genkit.gan import GAN
from genkit.model import Batch, DataInfo, NoOptions, Step, capabilities

INFO = DataInfo((1, 4, 4))


class TinyGAN(GAN):
    """The smallest GAN with batch normalisation on both sides."""

    latent = 3

    def __init__(self) -> None:
        super().__init__(NoOptions(), INFO)
        self.generator = nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
        self.discriminator = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 1), nn.Flatten(0))


@pytest.fixture
def model() -> TinyGAN:
    torch.manual_seed(0)
    return TinyGAN()


def step(seed: int = 0) -> Step:
    return Step(0, 0, torch.Generator().manual_seed(seed))


def batch(n: int = 6) -> Batch:
    return Batch(torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(7)))


def watch(module: nn.Module) -> list[Tensor]:
    """Return a list that collects what a module is given."""
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    return seen


def test_phases_have_an_optimiser_each_over_their_own_network(model: TinyGAN) -> None:
    phases = {phase.name: phase for phase in model.phases()}
    assert list(phases) == ["discriminator", "generator"]
    for name, phase in phases.items():
        held = {id(p) for group in phase.optimizer.param_groups for p in group["params"]}
        assert held == {id(p) for p in getattr(model, name).parameters()}


def test_the_discriminator_sees_minus_one_to_one(model: TinyGAN) -> None:
    seen = watch(model.discriminator)
    images = torch.zeros(2, 1, 4, 4)
    images[1] = 1
    model.loss("discriminator", Batch(images), step())
    assert (seen[0].min().item(), seen[0].max().item()) == (-1.0, 1.0)


def test_real_and_generated_images_pass_separately(model: TinyGAN) -> None:
    seen = watch(model.discriminator)
    model.loss("discriminator", batch(6), step())
    assert [len(images) for images in seen] == [6, 6]


def test_the_discriminators_turn_leaves_no_gradient_in_the_generator(model: TinyGAN) -> None:
    seen = watch(model.discriminator)
    model.loss("discriminator", batch(), step()).backward()
    assert not any(images.requires_grad for images in seen)
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad is not None for p in model.discriminator.parameters())


def test_the_generators_loss_is_of_generated_images_alone(model: TinyGAN) -> None:
    seen = watch(model.discriminator)
    loss = model.loss("generator", batch(6), step())
    assert [len(images) for images in seen] == [6]
    assert loss.item() == pytest.approx(softplus(-model.discriminator(seen[0])).mean().item(), abs=1e-6)
    loss.backward()
    assert all(p.grad is not None for p in model.generator.parameters())


def test_the_discriminator_learns_to_lift_real_logits_above_generated_ones(model: TinyGAN) -> None:
    model.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(16, 1), nn.Flatten(0))
    optimizer = model.phases()[0].optimizer
    bright = Batch(torch.full((16, 1, 4, 4), 0.9))
    for index in range(300):
        last = step(index)
        loss = model.loss("discriminator", bright, last)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert last.logged["logits_real"] > last.logged["logits_generated"] + 0.5


def test_draws_come_from_the_steps_generator(model: TinyGAN) -> None:
    torch.manual_seed(1)
    first = model.loss("generator", batch(), step(3)).item()
    torch.manual_seed(2)
    assert model.loss("generator", batch(), step(3)).item() == first
    assert model.loss("generator", batch(), step(4)).item() != first


def test_samples_are_in_zero_to_one_and_repeatable(model: TinyGAN) -> None:
    model.eval()
    images = model.sample(9, generator=torch.Generator().manual_seed(5))
    assert images.shape == (9, 1, 4, 4)
    assert 0 <= images.min() < 0.5 < images.max() <= 1
    torch.testing.assert_close(images, model.sample(9, generator=torch.Generator().manual_seed(5)), rtol=0, atol=0)


def test_logits_are_of_images_at_the_border(model: TinyGAN) -> None:
    model.eval()
    images = batch().images
    torch.testing.assert_close(model.logits(images), model.discriminator(2 * images - 1))


def test_logits_of_a_wrong_number_are_refused(model: TinyGAN) -> None:
    model.discriminator = nn.Flatten()
    with pytest.raises(RuntimeError, match="shape"):
        model.logits(batch().images)


def test_a_gan_offers_no_reconstruction_and_no_likelihood(model: TinyGAN) -> None:
    assert capabilities(model) == ("draw_latent", "decode", "logits")


def test_losses_are_float32_under_autocast(model: TinyGAN) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert model.loss("discriminator", batch(), step()).dtype == torch.float32
